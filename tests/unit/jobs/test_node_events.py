"""Kubernetes Events of nodes: begun, and how it ended; whatever becomes of them, the job goes on."""

from service.domain.job import Job, JobType, NodePhase, Plan, PlannedNode
from service.jobs import node_events
from service.jobs.node_events import NodeEvent, NodeEvents
from service.jobs.ports import UnavailableError
from tests.records_suite.example import a_job


def job(*phases: NodePhase, kind: JobType = JobType.ADDON) -> Job:
    nodes = tuple(PlannedNode(f"n{number}", phase, "disk full") for number, phase in enumerate(phases, start=1))
    return a_job(type=kind, plan=Plan(nodes))


class Writer:
    def __init__(self) -> None:
        self.written: list[NodeEvent] = []
        self.away = False

    async def write_node_event(self, event: NodeEvent) -> None:
        if self.away:
            raise UnavailableError("Kubernetes is away")
        self.written.append(event)


def put(before: Job, after: Job) -> list[tuple[str, str, bool]]:
    events = NodeEvents(Writer())
    events.put(before, after)
    return [(one.node, one.reason, one.warning) for one in events._waiting]


def test_a_node_begins_and_ends_and_a_failure_warns() -> None:
    before = job(NodePhase.PENDING, NodePhase.RUNNING, NodePhase.RUNNING, NodePhase.WAITING)
    after = job(NodePhase.RUNNING, NodePhase.SUCCEEDED, NodePhase.FAILED, NodePhase.SKIPPED)
    assert put(before, after) == [
        ("n1", "AddonBegun", False),
        ("n2", "AddonSucceeded", False),
        ("n3", "AddonFailed", True),
    ]
    assert put(after, after) == []


def test_a_node_whose_step_ran_and_found_that_it_is_not_to_be_begun_says_so() -> None:
    assert put(job(NodePhase.RUNNING), job(NodePhase.SKIPPED)) == [("n1", "AddonSkipped", False)]


def test_a_failure_says_why_and_of_which_job() -> None:
    events = NodeEvents(Writer())
    events.put(job(NodePhase.RUNNING), job(NodePhase.FAILED))
    assert events._waiting[0].message == "job upgrade-abc123: addon failed: disk full"


def test_types_whose_steps_write_their_own_or_that_touch_no_node_have_none() -> None:
    for kind in (JobType.REBOOT, JobType.DUMPLOG, JobType.EXPORTIMAGE):
        assert put(job(NodePhase.PENDING, kind=kind), job(NodePhase.RUNNING, kind=kind)) == []
    assert put(job(NodePhase.PENDING, kind=JobType.PREFLIGHT), job(NodePhase.RUNNING, kind=JobType.PREFLIGHT))


def test_a_job_of_thousands_of_nodes_takes_bounded_memory() -> None:
    many = 3 * node_events.MOST_WAITING
    assert len(put(job(*[NodePhase.RUNNING] * many), job(*[NodePhase.FAILED] * many))) == node_events.MOST_WAITING


async def test_one_that_cannot_be_written_holds_up_no_other() -> None:
    writer = Writer()
    writer.away = True
    events = NodeEvents(writer)
    events.put(job(NodePhase.PENDING, NodePhase.PENDING), job(NodePhase.RUNNING, NodePhase.PENDING))
    await events._write(events._waiting.popleft())
    writer.away = False
    events.put(job(NodePhase.PENDING, NodePhase.PENDING), job(NodePhase.PENDING, NodePhase.RUNNING))
    await events._write(events._waiting.popleft())
    assert [one.node for one in writer.written] == ["n2"]

"""What is asked of the cluster for an order, and what somebody learns who has no right to it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.cluster_objects import Caller, Node, Workload, Workspace
from service.domain.job import Job, JobType, Named, Plan
from service.domain.reach import Reach
from service.domain.request_faults import NotPermittedError, RefusedError
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.preparation import Work
from service.jobs.submit import Limits, Resolved, Submission


@dataclass
class Cluster:
    asked: list[str] = field(default_factory=list)

    async def nodes(self, names: Collection[str] | None = None) -> list[Node]:
        self.asked.append("nodes" if names is None else f"nodes {sorted(names)}")
        return [Node("n1", cordoned=True), Node("n2")]

    async def workspace(self, workspace_id: str) -> Workspace:
        return Workspace(workspace_id, (f"ns-{workspace_id}",))

    async def workloads(self, names: Iterable[str], within: Mapping[str, str]) -> dict[str, list[Workload]]:
        self.asked += [*names, *sorted(within)]
        return {
            name: [Workload(name, "ns-a", "team-a", frozenset({"n1"}))] if "team-a" in within else [] for name in names
        }


class Nothing:
    async def prepare(self, _order: Order, _selection: Selection) -> Work:
        return Work(parameters={})


def submission(cluster: Any, **limits: int) -> Submission:
    unused: Any = None
    return Submission(
        records=unused,
        cluster=cluster,
        permissions=unused,
        cluster_id="local",
        workspace_label="opsjob.io/workspace",
        templates={JobType.ADDON: "opsjob-addon-00000000", JobType.DUMPLOG: "opsjob-dumplog-00000000"},
        default_timeout_seconds=0,
        kinds={JobType.ADDON: Nothing(), JobType.DUMPLOG: Nothing()},
        limits=Limits(**limits),
    )


def order(*inputs: str, job_type: JobType = JobType.ADDON, **options: Any) -> Order:
    named = tuple(Named(*text.split("=", 1)) for text in inputs)
    return Order(name="x", type=job_type, inputs=named, options=options)


ALICE = Caller("u-1", "alice")
CLUSTER_WIDE = Reach(everywhere=True, workspaces={"team-a": "ns-a", "team-b": "ns-b"})
IN_B = Reach(workspaces={"team-b": "ns-b"})


@dataclass
class Permitted:
    """Within that reach, and there or not."""

    within: Reach
    permitted: bool

    async def reach(self, _who: Caller, _kind: JobType, **_how: bool) -> Reach:
        return self.within

    async def require(self, _who: Caller, _kind: JobType, _selection: Selection) -> None:
        if not self.permitted:
            raise NotPermittedError("no")


async def resolve(asked: Submission, wanted: Order, reach: Reach = CLUSTER_WIDE, *, permitted: bool = True) -> Resolved:
    permissions: Any = Permitted(reach, permitted)
    asked = replace(asked, permissions=permissions)
    return await asked.prepare(wanted, ALICE, await asked.select(wanted, ALICE))


async def test_more_workloads_than_allowed_are_refused_before_any_is_looked_for() -> None:
    cluster = Cluster()
    many = order(*(f"workload=w{number}" for number in range(3)))
    with pytest.raises(RefusedError, match="name 3 workloads, a job has at most 2"):
        await resolve(submission(cluster, workloads=2), many)
    assert cluster.asked == []


async def test_each_workload_is_looked_for_once_however_often_it_is_named() -> None:
    cluster = Cluster()
    named = order("workload=a", "workload=b", *["workload=a"] * 9)
    with pytest.raises(RefusedError):
        await resolve(submission(cluster, workloads=2), named)
    assert cluster.asked == ["nodes", "a", "b", "team-a", "team-b"]


@pytest.mark.parametrize(
    "inputs",
    [("node=n1",), ("workload=train",), ("cluster=local",)],
    ids=["no node is left", "of a workload either", "too many"],
)
async def test_who_may_not_learns_nothing_of_the_nodes(inputs: tuple[str, ...]) -> None:
    with pytest.raises(NotPermittedError):
        await resolve(submission(Cluster(), nodes=0), order(*inputs), permitted=False)
    with pytest.raises(RefusedError, match=r"cordoned|at most 0"):
        await resolve(submission(Cluster(), nodes=0), order(*inputs))


async def test_of_a_node_that_is_not_there_only_who_may_hears() -> None:
    with pytest.raises(RefusedError, match="there is no node 'n9'"):
        await resolve(submission(Cluster()), order("node=n9"))
    with pytest.raises(NotPermittedError):
        await resolve(submission(Cluster()), order("node=n9"), permitted=False)


@pytest.mark.parametrize(
    "inputs",
    [("node=n1",), ("cluster=local",), ("workspace=team-a",), ("workspace=team-a", "workspace=team-b"), ("node=n9",)],
)
async def test_beyond_the_callers_reach_nothing_is_looked_at(inputs: tuple[str, ...]) -> None:
    cluster = Cluster()
    with pytest.raises(NotPermittedError, match=r"the right is create on opsjobs\.opsjob\.io/addon"):
        await resolve(submission(cluster), order(*inputs), IN_B)
    assert cluster.asked == []


@pytest.mark.parametrize("inputs", [("workload=train",), ("workload=train", "node=n9")])
async def test_workloads_are_looked_for_only_where_the_caller_may_work(inputs: tuple[str, ...]) -> None:
    """A workload of another workspace and one that is nowhere are the same to them."""
    cluster = Cluster()
    with pytest.raises(NotPermittedError, match="there is no workload 'train' in a workspace in which you may"):
        await resolve(submission(cluster), order(*inputs), IN_B)
    assert cluster.asked == ["nodes", "train", "team-b"]


async def test_a_named_workspace_is_the_only_one_that_is_looked_through() -> None:
    cluster = Cluster()
    with pytest.raises(RefusedError):
        await resolve(submission(cluster), order("workload=train", "workspace=team-a"))
    assert cluster.asked == ["nodes", "train", "team-a"]


async def test_a_job_without_nodes_reads_only_those_that_it_names() -> None:
    cluster = Cluster()
    await resolve(submission(cluster), order("workload=train", job_type=JobType.DUMPLOG))
    named = order("workload=train", "node=n2", job_type=JobType.DUMPLOG)
    await resolve(submission(cluster), named)
    assert [asked for asked in cluster.asked if asked.startswith("nodes")] == ["nodes []", "nodes ['n2']"]


async def test_a_workflow_stays_no_longer_than_it_may() -> None:
    longer = order("node=n2", ttlSecondsAfterFinished=601)
    with pytest.raises(RefusedError, match="ttlSecondsAfterFinished: is at most 600 here"):
        await resolve(submission(Cluster(), ttl_seconds=600), longer)
    await resolve(submission(Cluster(), ttl_seconds=601), longer)
    await resolve(submission(Cluster()), longer)


@dataclass
class Silent(Cluster):
    """One node, which may be NotReady, and what jobs did to it: the mark of one, the lock of one, a reboot."""

    ready: bool = False
    mark: str = ""
    lock: str = ""
    told: bool = False

    async def nodes(self, names: Collection[str] | None = None) -> list[Node]:
        return [Node("n1", ready=self.ready, worked_on_by=self.mark), Node("n2")] if names is None else []

    async def node_locks(self) -> dict[str, str]:
        self.asked.append("locks")
        return {"n1": self.lock} if self.lock else {}

    async def rebooting(self) -> frozenset[str]:
        return frozenset({"n1"} if self.told else ())


@dataclass
class Over:
    """A store of these jobs, which are over."""

    jobs: Collection[str]

    async def ended(self, _cluster_id: str, job_ids: Collection[str]) -> frozenset[str]:
        assert "" not in job_ids
        return frozenset(self.jobs) & frozenset(job_ids)


async def planned(cluster: Silent, *over: str) -> Plan:
    records: Any = Over(over)
    asked = replace(submission(cluster), records=records)
    return (await resolve(asked, order("cluster=local"))).selection.plan


async def test_whom_a_node_that_is_not_ready_is_locked_by_is_asked_once() -> None:
    cluster = Silent(lock="reboot-abc123")
    plan = await planned(cluster)
    assert cluster.asked == ["locks"]
    assert plan.names == ("n1", "n2")
    assert "reboot-abc123" in plan.nodes[0].message


async def test_a_node_that_died_under_a_job_which_is_over_is_left_out() -> None:
    plan = await planned(Silent(lock="before"), "before")
    assert plan.names == ("n2",)
    assert [(node.name, node.reason) for node in plan.excluded] == [("n1", "is NotReady")]


JOBS = st.sampled_from(("", "before", "other"))


@given(st.builds(Silent, ready=st.booleans(), mark=JOBS, lock=JOBS, told=st.booleans()), st.sets(JOBS))
async def test_a_node_that_is_not_ready_is_planned_only_for_a_job_that_goes_on_or_its_reboot_does(
    cluster: Silent, over: set[str]
) -> None:
    plan = await planned(cluster, *over)
    at_work = [job for job in (cluster.mark, cluster.lock) if job and (cluster.told or job not in over)]
    assert ("n1" in plan.names) is (cluster.ready or bool(at_work))
    if at_work and not cluster.ready:
        assert plan.nodes[0].message == f"waits for job {at_work[0]}, which works on it"


@pytest.mark.parametrize("everywhere", [True, False])
async def test_of_a_named_workspace_that_several_namespaces_claim_that_is_said(*, everywhere: bool) -> None:
    class Claimed(Cluster):
        async def workspace(self, workspace_id: str) -> Workspace:
            return Workspace(workspace_id, ("ns-a", "ns-thief"))

    reach = Reach(everywhere=everywhere, contested=frozenset({"team-a"}))
    named = order("workspace=team-a", "workload=train", job_type=JobType.DUMPLOG)
    with pytest.raises(RefusedError, match="several namespaces are labelled"):
        await resolve(submission(Claimed()), named, reach)
    if not everywhere:
        with pytest.raises(NotPermittedError, match="in team-a no new job is accepted"):
            await resolve(submission(Claimed()), order("workload=train", job_type=JobType.DUMPLOG), reach)


class Store:
    def __init__(self) -> None:
        self.jobs: list[Job] = []

    async def add(self, job: Job, *_: object) -> None:
        self.jobs.append(job)


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(minutes=20), timedelta(hours=-3)])
async def test_a_job_is_created_when_the_apiserver_says_it_is_whatever_the_hosts_clock_says(ahead: timedelta) -> None:
    """Argo's times stand beside it: with a host twenty minutes ahead no job seemed to take any time."""

    class Kubernetes(Cluster):
        def now(self) -> datetime:
            return (datetime.now(UTC) - ahead).replace(microsecond=0)

        async def create_workflow(self, _job: Job) -> None:
            pass

    store = Store()
    jobs = replace(submission(Kubernetes()), records=store)  # type: ignore[arg-type]  # all that is asked of it
    resolved = Resolved(Selection(plan=Plan()), Work(parameters={}))
    for _ in range(5):
        await jobs.submit(order("node=n2"), Caller("id", "name"), resolved, None)
    assert all(abs(job.created - (datetime.now(UTC) - ahead)) < timedelta(minutes=1) for job in store.jobs)
    assert all(job.conditions[0].at == job.created for job in store.jobs)
    assert len({job.created for job in store.jobs}) == 5, "they are listed in the order in which they came"

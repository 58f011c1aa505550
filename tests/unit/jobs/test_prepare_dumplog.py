"""What a dumplog job is handed: its pods as they were at submission, in a form that its step reads."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.domain.cluster_objects import Caller, Node, Workload
from service.domain.job import JobType, Named, Plan
from service.domain.request_faults import Fault, FaultCode, RefusedError
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.preparation import MAX_FILES_BYTES, Work
from service.jobs.prepare_dumplog import ASKED, Dumplogs, DumplogSettings
from service.jobs.prepare_node_logs import NodeLogs
from service.main import dependencies
from service.settings import Settings
from tests.unit.jobs.test_submit import resolve
from workflow_templates.dumplog.archive_request import ArchiveRequest

EVERYWHERE = DumplogSettings(scratch_mebibytes=100, all_namespaces=True)
WEB = Workload("web", "team-a", "a", frozenset({"node-1"}), ("web-0", "web-1"))


async def prepared(*workloads: Workload, nodes: tuple[str, ...] = (), **options: object) -> Work:
    inputs = tuple(Named("workload", workload.name) for workload in workloads)
    order = Order(
        name="d", type=JobType.DUMPLOG, inputs=(*inputs, *(Named("node", node) for node in nodes)), options=options
    )
    kind = Dumplogs(workload_labels=("example.com/job",), settings=EVERYWHERE)
    return await kind.prepare(order, Selection(plan=Plan(), workloads=workloads))


async def asked(folder: Path, *workloads: Workload, **fields: object) -> ArchiveRequest:
    """As the step reads it."""
    file = folder / ASKED
    file.write_text((await prepared(*workloads, **fields)).files[ASKED])  # type: ignore[arg-type]  # nodes and options
    return ArchiveRequest.read(file)


async def test_the_step_reads_what_was_resolved(tmp_path: Path) -> None:
    found = await asked(tmp_path, WEB, nodes=("node-1", "node-2"), excludedNodes=["node-2"])
    assert found.pods == [("team-a", "web-0"), ("team-a", "web-1")]
    assert found.nodes == {"node-1", "node-2"}
    assert found.excluded_nodes == {"node-2"}
    assert found.name == "web"


async def test_several_workloads_are_one_archive_and_a_pod_of_two_is_in_it_once(tmp_path: Path) -> None:
    found = await asked(tmp_path, WEB, Workload("parts", "team-a", "a", frozenset(), ("web-1", "x-0")))
    assert found.pods == [("team-a", "web-0"), ("team-a", "web-1"), ("team-a", "x-0")]
    assert found.name == "web_and_1_more"


async def test_without_a_pod_it_says_what_was_looked_for(tmp_path: Path) -> None:
    found = await asked(tmp_path, Workload("web", "team-a", "a", frozenset()))
    assert found.pods == []
    assert "'web' in namespace 'team-a'" in found.looked_for
    assert "example.com/job" in found.looked_for


async def test_only_a_number_becomes_an_argument() -> None:
    assert (await prepared(WEB)).parameters == {"scratch-mebibytes": "100"}


@pytest.mark.parametrize(("pods", "faults"), [(1_000, 0), (MAX_FILES_BYTES // 10, 1)])
async def test_more_pods_than_fit_into_a_configmap_are_refused(pods: int, faults: int) -> None:
    many = Workload("web", "team-a", "a", frozenset(), tuple(f"web-{number:06}" for number in range(pods)))
    assert len((await prepared(many)).faults) == faults


async def test_what_the_step_may_not_read_is_refused_with_the_value_that_opens_it() -> None:
    """The job was accepted, and its archive said 403 for each log."""
    order = Order(name="d", type=JobType.DUMPLOG, inputs=(Named("cluster", "c"), Named("workload", "web")), options={})

    async def faults(settings: DumplogSettings) -> tuple[Fault, ...]:
        kind = Dumplogs(workload_labels=(), settings=settings)
        return tuple((await kind.prepare(order, Selection(plan=Plan(), workloads=(WEB,)))).faults)

    both = DumplogSettings(namespaces=frozenset({"team-a", "team-b"}))
    assert await faults(EVERYWHERE) == await faults(both) == ()
    (fault,) = await faults(DumplogSettings(namespaces=frozenset({"team-b"})))
    assert (fault.path, fault.code) == ("inputs[1].value", FaultCode.NOT_ALLOWED)
    assert "'web' is in namespace team-a" in fault.message
    assert "dumplog.namespaces" in fault.message


@pytest.mark.parametrize("job_type", [JobType.DUMPLOG, JobType.PREFLIGHT])
async def test_without_an_object_store_the_refusal_names_the_value_that_is_missing(job_type: JobType) -> None:
    submission = dependencies(Settings(), None, None, None, None).submission  # type: ignore[arg-type]  # nobody is asked
    with pytest.raises(RefusedError, match=r"type: \w+ is not installed here: .* chart's value objectStore"):
        await resolve(submission, Order(name="d", type=job_type, inputs=()))


@dataclass
class Known:
    """A cluster of these nodes, in which the caller may read the logs of some."""

    all_nodes: tuple[Node, ...]
    readable: frozenset[str]

    async def nodes(self, _names: object = None) -> tuple[Node, ...]:
        return self.all_nodes

    async def readable_nodes(self, caller: Caller, nodes: Iterable[str]) -> frozenset[str]:
        assert caller == ALICE
        return self.readable & frozenset(nodes)


ALICE = Caller("1", "alice")
SPREAD = Workload("web", "team-a", "a", frozenset({"node-1", "node-2", "node-3"}), ("web-0",))


async def with_nodes(
    known: Known, *, nodes: tuple[str, ...] = (), caller: Caller | None = ALICE, **options: object
) -> Work:
    node_logs = NodeLogs(cluster=known, reviews=known, settings=EVERYWHERE)  # type: ignore[arg-type]
    kind = Dumplogs(workload_labels=(), settings=EVERYWHERE, node_logs=node_logs)
    inputs = (Named("workload", "web"), *(Named("node", node) for node in nodes))
    order = Order(name="d", type=JobType.DUMPLOG, inputs=inputs, options=options, caller=caller)
    return await kind.prepare(order, Selection(plan=Plan(), workloads=(SPREAD,)))


def every(*names: str) -> Known:
    return Known(tuple(Node(name) for name in names), frozenset(names))


def planned(work: Work) -> tuple[list[str], dict[str, str]]:
    """Where there is a step, as the template and the archiving step are told, and why not elsewhere."""
    told = json.loads(work.files[ASKED])["nodeLogs"]
    assert json.loads(work.parameters["nodes"]) == told["nodes"]
    return told["nodes"], told["leftOut"]


async def test_a_step_runs_on_each_node_of_the_workload() -> None:
    work = await with_nodes(every("node-1", "node-2", "node-3", "node-4"))
    assert planned(work) == (["node-1", "node-2", "node-3"], {})
    assert set(work.parameters) == {
        "scratch-mebibytes",
        "nodes",
        "node-log-hours",
        "node-log-mebibytes",
        "node-log-seconds",
    }
    assert work.parallelism == 100


async def test_nodes_are_narrowed_as_pods_are() -> None:
    known = every("node-1", "node-2", "node-3")
    assert planned(await with_nodes(known, nodes=("node-1", "node-2"), excludedNodes=["node-2"])) == (["node-1"], {})


async def test_no_step_runs_where_the_caller_may_not_read_or_nobody_would_answer() -> None:
    down = (Node("node-1"), Node("node-2", ready=False))
    names, left_out = planned(await with_nodes(Known(down, frozenset({"node-2", "node-3"}))))
    assert names == []
    assert "may not get nodes/log" in left_out["node-1"]
    assert left_out["node-2"] == "is NotReady"
    assert left_out["node-3"] == "is not in the cluster any more"


async def test_nobody_s_rights_are_none() -> None:
    names, left_out = planned(await with_nodes(every("node-1", "node-2", "node-3"), caller=None))
    assert (names, set(left_out)) == ([], {"node-1", "node-2", "node-3"})


async def test_where_the_option_is_off_nothing_speaks_of_nodes() -> None:
    work = await prepared(SPREAD)
    assert "nodeLogs" not in json.loads(work.files[ASKED])
    assert (set(work.parameters), work.parallelism) == ({"scratch-mebibytes"}, 0)

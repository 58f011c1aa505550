"""What a dumplog job is handed: its pods as they were at submission, in a form that its step reads."""

from pathlib import Path

import pytest

from service.domain.cluster import Workload
from service.domain.faults import RefusedError
from service.domain.job import JobType, Named, Plan
from service.domain.selection import Selection
from service.jobs.dumplogs import ASKED, Dumplogs
from service.jobs.order import Order
from service.jobs.work import MAX_FILES_BYTES, Work
from service.main import wiring
from service.settings import Settings
from workflow_templates.dumplog.asked import Asked

WEB = Workload("web", "team-a", "a", frozenset({"node-1"}), ("web-0", "web-1"))


async def prepared(*workloads: Workload, nodes: tuple[str, ...] = (), **options: object) -> Work:
    inputs = tuple(Named("workload", workload.name) for workload in workloads)
    order = Order(
        name="d", type=JobType.DUMPLOG, inputs=(*inputs, *(Named("node", node) for node in nodes)), options=options
    )
    kind = Dumplogs(workload_labels=("example.com/job",), scratch_mebibytes=100)
    return await kind.prepare(order, Selection(plan=Plan(), workloads=workloads))


async def asked(folder: Path, *workloads: Workload, **fields: object) -> Asked:
    """As the step reads it."""
    file = folder / ASKED
    file.write_text((await prepared(*workloads, **fields)).files[ASKED])  # type: ignore[arg-type]  # nodes and options
    return Asked.read(file)


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


@pytest.mark.parametrize("job_type", [JobType.DUMPLOG, JobType.PREFLIGHT])
async def test_without_an_object_store_the_refusal_names_the_value_that_is_missing(job_type: JobType) -> None:
    async def permit(_: object) -> None:
        """Everybody may."""

    submission = wiring(Settings(), None, None, None).submission  # type: ignore[arg-type]  # nobody is asked
    with pytest.raises(RefusedError, match=r"type: \w+ is not installed here: .* chart's value objectStore"):
        await submission.resolve(Order(name="d", type=job_type, inputs=()), permit)

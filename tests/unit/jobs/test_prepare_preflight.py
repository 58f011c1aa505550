"""What a preflight job is handed of its order, and what of it is nobody else's to read."""

import base64
import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from service.domain.cluster_objects import Node
from service.domain.job import JobType, Named, Plan, PlannedNode
from service.domain.reach import Reach
from service.domain.request_faults import RefusedError
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.preparation import MAX_FILES_BYTES, Work
from service.jobs.prepare_preflight import PreflightSettings
from service.jobs.submit import Limits, Resolved
from service.kube.client import KubeSettings
from service.kube.manifest import workflow
from service.main import dependencies, kinds
from service.settings import Settings
from tests.unit.domain.argo import job
from tests.unit.jobs.test_submit import resolve


async def work(*nodes: Node, timeout_second: int | None = None, **options: Any) -> Work:
    settings = Settings(preflight=PreflightSettings(parallelism=50, host_paths=["/nfs"]))
    kind = kinds(settings, cluster=Fleet(nodes), reviews=None)[JobType.PREFLIGHT]  # type: ignore[arg-type]  # not asked
    entry = base64.b64encode(str(options.pop("script", "true")).encode()).decode()
    wanted = {"image": "i", "entryPoint": entry, **options}
    order = Order(name="p", type=JobType.PREFLIGHT, inputs=(), timeout_second=timeout_second, options=wanted)
    planned = [node.name for node in nodes] or ["n-2", "n-1"]
    return await kind.prepare(order, Selection(plan=Plan(tuple(map(PlannedNode, planned)))))


async def test_the_environment_is_kept_out_of_the_record() -> None:
    prepared = await work(env={"PASSWORD": "sesame", "LEVEL": "3"})
    assert prepared.secret == {"PASSWORD": "sesame", "LEVEL": "3"}
    assert "sesame" not in json.dumps(prepared.recorded())
    assert prepared.recorded()["secret"] is True


async def test_a_job_without_environment_has_a_secret_too_so_that_one_that_was_lost_is_missed() -> None:
    assert (await work()).secret == {}


async def test_the_charts_parallelism_is_the_workflows() -> None:
    prepared = (await work()).recorded()
    made = workflow(job("n-1", "n-2", job_type=JobType.PREFLIGHT, work=prepared, template="t"), KubeSettings())
    assert made["spec"]["parallelism"] == 50


async def test_up_to_fifty_nodes_have_a_runner_each_and_more_share_theirs() -> None:
    names = [f"n-{number}" for number in range(101)]
    few, many = await work(*map(Node, names[:50])), await work(*map(Node, names))
    assert (json.loads(few.parameters["alone"]), few.parameters["groups"]) == (names[:50], "[]")
    assert few.recorded()["parallelism"] == 50
    assert many.parameters["alone"] == "[]"
    assert json.loads(many.parameters["groups"]) == ["1 to 50", "51 to 100", "101 to 101"]
    assert many.recorded()["parallelism"] == 1, "so many checks at the same time as the chart says"
    assert json.loads(many.parameters["nodes"]) == names


@pytest.mark.parametrize(("asked", "given"), [(None, 86_400), (60, 60), (0, 0), (-1, -1)])
async def test_a_request_that_names_no_timeout_has_one(asked: int | None, given: int) -> None:
    """One that says that there is none has none."""
    prepared = await work(timeout_second=asked)
    assert prepared.timeout_second == given
    assert json.loads(prepared.files["check.json"])["deadline_seconds"] == max(0, given)


async def test_what_is_below_an_allowed_directory_is_for_nodes_that_mount_it_read_only() -> None:
    able, unable = Node("a", recursive_read_only=True), Node("b")
    assert not (await work(able, hostpath=["/nfs/models"])).faults
    (fault,) = (await work(able, unable, hostpath=["/nfs/models"])).faults
    assert "node b cannot mount recursively read-only" in fault.message
    exact = await work(able, unable, hostpath=["/nfs"])
    assert not exact.faults
    assert "not what is mounted below them" in exact.note
    assert not (await work(able, hostpath=["/nfs"])).note


async def test_replica_narrows_plan_and_parameters_alike() -> None:
    prepared = await work(resource={"replica": 1})
    assert prepared.plan is not None
    assert prepared.plan.names == ("n-1",)
    assert json.loads(prepared.parameters["nodes"]) == ["n-1"]
    assert prepared.files["nodes"] == "n-1\n"


@dataclass
class Fleet:
    """A cluster of these nodes."""

    every: tuple[Node, ...]

    async def nodes(self, _names: object = None) -> tuple[Node, ...]:
        return self.every


async def resolved(replica: int | None) -> Resolved:
    whole = dependencies(Settings(), None, None, None, None).submission  # type: ignore[arg-type]  # not asked
    fleet: Any = Fleet(tuple(Node(f"n-{number:02}") for number in range(20)))
    submission = replace(whole, cluster=fleet, limits=Limits(nodes=10), templates={JobType.PREFLIGHT: "t"})
    options = {"image": "i", "entryPoint": "dHJ1ZQ==", "resource": {"replica": replica}}
    inputs = (Named("cluster", submission.cluster_id),)
    order = Order(name="p", type=JobType.PREFLIGHT, inputs=inputs, options=options)
    return await resolve(submission, order, Reach(everywhere=True))


async def test_a_jobs_limit_counts_the_nodes_that_replica_leaves() -> None:
    assert len((await resolved(10)).selection.plan.nodes) == 10
    for replica in (11, None):
        with pytest.raises(RefusedError, match="a job works on at most 10"):
            await resolved(replica)


async def test_no_two_jobs_share_the_names_of_their_checks() -> None:
    first, second = await work(), await work()
    word = json.loads(first.files["check.json"])["peers"]
    assert first.files["peers"].startswith(f"{word}-")
    assert set(first.files["peers"].split()).isdisjoint(second.files["peers"].split())


async def test_what_does_not_fit_into_an_object_of_kubernetes_is_refused() -> None:
    prepared = await work(script="x" * MAX_FILES_BYTES, env={"A": "y" * MAX_FILES_BYTES})
    assert [fault.path for fault in prepared.faults] == ["entryPoint", "env"]

"""What a preflight job is handed of its order, and what of it is nobody else's to read."""

import base64
import json
from typing import Any

from service.domain.job import JobType, Plan, PlannedNode
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.work import MAX_FILES_BYTES, Work
from service.kube.client import KubeSettings
from service.kube.manifest import workflow
from service.main import kinds
from service.settings import Settings
from tests.unit.domain.argo import job


async def work(**options: Any) -> Work:
    kind = kinds(Settings(preflight_parallelism=50), cluster=None, reviews=None)[JobType.PREFLIGHT]  # type: ignore[arg-type]  # not asked
    entry = base64.b64encode(str(options.pop("script", "true")).encode()).decode()
    order = Order(name="p", type=JobType.PREFLIGHT, inputs=(), options={"image": "i", "entryPoint": entry, **options})
    return await kind.prepare(order, Selection(plan=Plan((PlannedNode("n-2"), PlannedNode("n-1")))))


async def test_the_environment_is_kept_out_of_the_record() -> None:
    prepared = await work(env={"PASSWORD": "sesame", "LEVEL": "3"})
    assert prepared.secret == {"PASSWORD": "sesame", "LEVEL": "3"}
    assert "sesame" not in json.dumps(prepared.recorded())
    assert prepared.recorded()["secret"] is True


async def test_a_job_without_environment_has_a_secret_too_so_that_one_that_was_lost_is_missed() -> None:
    assert (await work()).secret == {}


async def test_the_watch_has_a_place_of_its_own_beside_the_checks() -> None:
    assert (await work()).recorded()["parallelism"] == 51


async def test_the_charts_parallelism_is_the_workflows() -> None:
    prepared = (await work()).recorded()
    made = workflow(job("n-1", "n-2", job_type=JobType.PREFLIGHT, work=prepared, template="t"), KubeSettings())
    assert made["spec"]["parallelism"] == 51


async def test_replica_narrows_plan_and_parameters_alike() -> None:
    prepared = await work(resource={"replica": 1})
    assert prepared.plan is not None
    assert prepared.plan.names == ("n-1",)
    assert json.loads(prepared.parameters["nodes"]) == ["n-1"]
    assert prepared.files["nodes"] == "n-1\n"


async def test_no_two_jobs_share_the_names_of_their_checks() -> None:
    first, second = await work(), await work()
    assert first.files["peers"].startswith(f"{first.parameters['peers']}-")
    assert set(first.files["peers"].split()).isdisjoint(second.files["peers"].split())


async def test_what_does_not_fit_into_an_object_of_kubernetes_is_refused() -> None:
    prepared = await work(script="x" * MAX_FILES_BYTES, env={"A": "y" * MAX_FILES_BYTES})
    assert [fault.path for fault in prepared.faults] == ["entryPoint", "env"]

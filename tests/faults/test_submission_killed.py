"""A submission that dies between any two lines: the job runs exactly once, or not at all (contract: submission)."""

from dataclasses import replace
from typing import Any

import pytest

from service.domain.cluster_objects import Caller
from service.domain.job import JobType, Named, Phase, Plan, PlannedNode
from service.domain.selection import Selection
from service.jobs import stop_and_delete
from service.jobs.housekeeping import Housekeeping
from service.jobs.order import Order
from service.jobs.ports import UnavailableError
from service.jobs.preparation import Work
from service.jobs.reconcile import Reconciler
from service.jobs.submit import Resolved, Submission
from service.kube import Kube, KubeSettings, manifest
from service.kube.workflows import Workflows
from service.records import SqlRecords
from tests.e2e.live import Cluster
from tests.kube.conftest import WAITING_TEMPLATE
from tests.kube.jobs import a_job

ORDER = Order(name="killed", type=JobType.ADDON, inputs=(Named("node", "n"), Named("addon.template", "t")))
WORK = Work(parameters={"nodes": '["n"]'}, files={"addons.json": "{}"})
RESOLVED = Resolved(Selection(plan=Plan((PlannedNode("n"),))), WORK)
#: As a preflight job has them.
FILES = {"entrypoint": "true", "nodes": "n\n", "peers": "p\n", "check.json": "{}"}
WITH_SECRET = replace(RESOLVED, work=replace(WORK, files=FILES, secret={"PASSWORD": "sesame"}))
ALICE = Caller(user_id="u-1", user_name="alice")


class KilledError(BaseException):
    """The process is gone: nothing after this line happens."""


class Dying:
    """Kubernetes as a process sees it that dies, or loses the apiserver, at one place of `create_workflow`."""

    def __init__(self, kube: Kube, *, after: str, dies_of: BaseException) -> None:
        self._kube = kube
        self._after = after
        self._dies_of = dies_of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kube, name)

    async def create_workflow(self, job: Any) -> None:
        workflows: Workflows = self._kube
        if self._after == "workflow":
            await workflows._create_or_find(job)
        if self._after == "files":
            uid = await workflows._create_or_find(job)
            owner = await workflows._checks.create_checks(job)
            await workflows._create_files(manifest.files(job, uid, workflows._settings, owner) or {})
        if self._after == "secret":
            await workflows.create_workflow(job)
        raise self._dies_of


class DyingFirst:
    """Records as a process sees them that dies before it writes one."""

    async def add(self, *_: object) -> None:
        raise KilledError


def submission(records: Any, cluster: Any) -> Submission:
    return Submission(
        records=records,
        cluster=cluster,
        permissions=None,  # type: ignore[arg-type]  # not asked
        cluster_id="local",
        workspace_label="opsjob.io/workspace",
        templates={JobType.ADDON: WAITING_TEMPLATE},
        default_timeout_seconds=0,
        kinds={},
    )


async def only_job(records: SqlRecords) -> str:
    (job_id,) = await records.unfinished("local")
    return job_id


@pytest.mark.parametrize("after", ["record", "workflow", "files", "secret"])
async def test_killed_after_any_line_it_runs_exactly_once(
    cluster: Cluster, settings: KubeSettings, records: SqlRecords, kube: Kube, after: str
) -> None:
    dying = Dying(kube, after=after, dies_of=KilledError())
    with pytest.raises(KilledError):
        await submission(records, dying).submit(ORDER, ALICE, WITH_SECRET, None)
    job_id = await only_job(records)
    before = cluster.get("workflow", job_id, "-n", settings.jobs_namespace)
    assert (before is None) == (after == "record")
    assert job_id in await records.unsettled("local")

    for _ in range(3):
        await Reconciler(records, kube, "local").reconcile(job_id)

    workflow = cluster.get("workflow", job_id, "-n", settings.jobs_namespace)
    assert before is None or before["metadata"]["uid"] == workflow["metadata"]["uid"]
    files = cluster.get("configmap", job_id, "-n", settings.jobs_namespace)
    assert files["metadata"]["ownerReferences"][0]["uid"] == workflow["metadata"]["uid"]
    checks = cluster.get("configmap", job_id, "-n", settings.checks_namespace)
    assert files["data"]["owner"] == checks["metadata"]["uid"]
    secret = cluster.get("secret", job_id, "-n", settings.checks_namespace)
    assert secret["metadata"]["ownerReferences"][0]["uid"] == checks["metadata"]["uid"]
    assert job_id not in await records.unsettled("local")


async def test_killed_between_the_secret_and_the_record_nothing_of_it_is_left(
    cluster: Cluster, settings: KubeSettings, records: SqlRecords, kube: Kube, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(await kube.unowned_secrets(-60))  # a minute ahead: however young they are
    with pytest.raises(KilledError):
        await submission(DyingFirst(), kube).submit(ORDER, ALICE, WITH_SECRET, None)
    (job_id,) = set(await kube.unowned_secrets(-60)) - before
    assert cluster.get("secret", job_id, "-n", settings.checks_namespace)

    monkeypatch.setattr("service.jobs.housekeeping._UNOWNED_SECONDS", -60)
    housekeeper = Housekeeping(
        records, kube, Reconciler(records, kube, "local"), lost_node_seconds=300, retention_days=0
    )
    await housekeeper._drop_secrets()

    assert cluster.get("secret", job_id, "-n", settings.checks_namespace) is None
    assert cluster.get("workflow", job_id, "-n", settings.jobs_namespace) is None
    assert await records.unfinished("local") == []


async def test_an_apiserver_that_goes_away_in_that_moment_loses_no_accepted_job(
    cluster: Cluster, settings: KubeSettings, records: SqlRecords, kube: Kube
) -> None:
    dying = Dying(kube, after="record", dies_of=UnavailableError("Kubernetes cannot be reached"))
    job_id = await submission(records, dying).submit(ORDER, ALICE, RESOLVED, None)
    assert cluster.get("workflow", job_id, "-n", settings.jobs_namespace) is None

    await Reconciler(records, kube, "local").reconcile(job_id)

    assert cluster.get("workflow", job_id, "-n", settings.jobs_namespace)


async def test_what_the_apiserver_refuses_is_said_in_the_job_s_history(records: SqlRecords, kube: Kube) -> None:
    job = a_job(WAITING_TEMPLATE, job_id="a" * 70, cluster_id="local")
    await records.add(job)
    for _ in range(2):
        await Reconciler(records, kube, "local").reconcile(job.job_id)
    refused = await records.get(job.job_id)
    assert refused is not None
    assert refused.phase is Phase.PENDING
    (waiting,) = [line for line in refused.conditions if line.reason == "Waiting"]
    assert waiting.message.startswith("Kubernetes answers 422 to POST")
    assert "Invalid value" in waiting.message
    assert job.job_id in await records.unsettled("local")


async def test_a_job_stopped_before_its_workflow_was_made_never_gets_one(
    cluster: Cluster, settings: KubeSettings, records: SqlRecords, kube: Kube
) -> None:
    dying = Dying(kube, after="record", dies_of=UnavailableError("Kubernetes cannot be reached"))
    job_id = await submission(records, dying).submit(ORDER, ALICE, RESOLVED, None)
    await stop_and_delete.stop(records, kube, job_id, by="alice")

    await Reconciler(records, kube, "local").reconcile(job_id)

    job = await records.get(job_id)
    assert job is not None
    assert (job.phase, job.conditions[-1].reason) == (Phase.FAILED, "Stopped")
    assert cluster.get("workflow", job_id, "-n", settings.jobs_namespace) is None
    assert await records.unfinished("local") == []


async def test_a_record_that_cannot_be_written_leaves_nothing_behind(
    cluster: Cluster, settings: KubeSettings, kube: Kube
) -> None:
    before = len(cluster.items("workflows", "-n", settings.jobs_namespace))
    nowhere = SqlRecords("postgresql+asyncpg://nobody@127.0.0.1:9/none")
    with pytest.raises(UnavailableError, match="record store"):
        await submission(nowhere, kube).submit(ORDER, ALICE, RESOLVED, None)
    assert len(cluster.items("workflows", "-n", settings.jobs_namespace)) == before

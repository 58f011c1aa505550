"""A freeze reaches the history of every job that waits, and so does its end."""

import pytest

from service.domain.job import Phase, Plan, PlannedNode
from service.jobs import freeze_lookout
from service.jobs.freeze_lookout import FreezeLookout
from service.jobs.ports import Records
from service.jobs.reconcile import Reconciler
from tests.records_suite.example import a_job
from tests.unit.jobs.cluster import InMemory, running, until
from workflow_templates.protocol.freeze import Freeze

WAITS, OVER = "roll-abc123", "over-abc123"


async def test_every_job_that_has_not_ended_is_told(
    records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freeze_lookout, "LOOK_SECONDS", 0.02)
    plan = Plan((PlannedNode("n1"),))
    await records.add(a_job(WAITS, plan=plan, phase=Phase.PENDING, workflow_uid=f"uid-{WAITS}"))
    await records.add(a_job(OVER, plan=plan, phase=Phase.SUCCEEDED, workflow_uid=f"uid-{OVER}"))
    for job_id in (WAITS, OVER):
        cluster.has(job_id, phase="Running")

    async def says(reason: str) -> bool:
        job = await records.get(WAITS)
        return job is not None and [one.reason for one in job.conditions][-1:] == [reason]

    reconciler = Reconciler(records, cluster.port, "prod")
    lookout = FreezeLookout(records, cluster.port, reconciler)
    async with running(reconciler.run()), running(lookout.run()):
        reconciler.look_at(WAITS)
        await until(lambda: _true(WAITS in cluster.read), "the job is not looked at")
        cluster.frozen = Freeze("anna", "storage", "2026-01-01T00:00:00.000Z")
        await until(lambda: says("Frozen"), "the job does not say that it waits")
        cluster.frozen = None
        await until(lambda: says("Unfrozen"), "the job does not say that it goes on")
    assert OVER not in cluster.read


async def _true(what: bool) -> bool:  # noqa: FBT001 - the one thing
    return what

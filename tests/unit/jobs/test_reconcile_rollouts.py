"""The reconciler and rollouts: what persons said reaches the Workflow, and what steps noted the record."""

from dataclasses import replace
from typing import Any

import pytest

from service.domain.job import Job, NodePhase, Phase, Plan, PlannedNode
from service.domain.job_rollout import JobRollout, RolloutPhase
from service.domain.rollout_progress import StepNotes
from service.jobs import reconcile
from service.jobs.ports import Records
from service.jobs.reconcile import Reconciler
from tests.records_suite.example import a_job
from tests.unit.domain.argo import on, running
from tests.unit.jobs.cluster import InMemory, until
from tests.unit.jobs.cluster import running as at_work
from workflow_templates.protocol import labels

JOB = "roll-abc123"


def rolled(**said: Any) -> Job:
    nodes = (PlannedNode("n1"), PlannedNode("n2"))
    rollout = JobRollout(phases=(RolloutPhase(2),), **said)
    return a_job(JOB, plan=Plan(nodes), rollout=rollout, workflow_uid=f"uid-{JOB}", phase=Phase.RUNNING)


async def known(records: Records) -> Job:
    found = await records.get(JOB)
    assert found is not None
    return found


async def test_what_was_said_while_kubernetes_was_away_reaches_the_workflow(
    records: Records, cluster: InMemory
) -> None:
    await records.add(rolled(paused="anna", advanced=1, carried_out=False))
    cluster.has(JOB, phase="Running")

    async def carried_out() -> bool:
        job = await known(records)
        return job.rollout is not None and job.rollout.carried_out

    reconciler = Reconciler(records, cluster.port, "prod")
    async with at_work(reconciler.run()):
        reconciler.look_at(JOB)
        await until(carried_out, "the record does not know that the Workflow knows")
    annotations = cluster.workflows[JOB]["metadata"]["annotations"]
    assert annotations == {labels.PAUSED: "anna", labels.ADVANCED: "1"}
    assert list(await records.unsettled("prod")) == []


async def test_what_the_steps_note_is_seen_although_the_workflow_stays_as_it_is(
    records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "NOTED_AGAIN", 0.05)
    await records.add(rolled())
    entries = [*on("n1", "Running", running()), *on("n2", "Running", running(), index=1)]
    cluster.has(JOB, phase="Running", nodes={entry["name"]: entry for entry in entries})
    cluster.notes[JOB] = StepNotes("w.")

    def phases_are(*phases: NodePhase) -> Any:
        async def seen() -> bool:
            return tuple(node.phase for node in (await known(records)).plan.nodes) == phases

        return seen

    reconciler = Reconciler(records, cluster.port, "prod")
    async with at_work(reconciler.run()):
        reconciler.look_at(JOB)
        await until(phases_are(NodePhase.RUNNING, NodePhase.WAITING), "the ledger is not read")
        cluster.notes[JOB] = StepNotes("ww", {"n2": "runs its script"})
        await until(phases_are(NodePhase.RUNNING, NodePhase.RUNNING), "the ledger is not read again")
    assert (await known(records)).plan.nodes[1].message == "runs its script"


async def test_a_job_without_a_rollout_is_not_looked_at_again(
    records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "NOTED_AGAIN", 0.0)
    await records.add(replace(rolled(), rollout=None))
    cluster.has(JOB, phase="Running")
    reconciler = Reconciler(records, cluster.port, "prod")

    async def settled() -> bool:
        return JOB in reconciler._settled

    async with at_work(reconciler.run()):
        reconciler.look_at(JOB)
        await until(settled, "it is not read")
        assert reconciler._noted == set()

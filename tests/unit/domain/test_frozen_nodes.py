"""What a job's record says while the cluster is frozen (contract: freeze)."""

from dataclasses import replace
from typing import Any

import pytest

from service.domain.job import Job, JobType, NodePhase, Phase
from service.domain.job_representation import detail
from service.domain.phase import observe
from service.domain.rollout_progress import StepNotes
from tests.unit.domain import argo
from tests.unit.domain.argo import at, failed, on, running, succeeded, workflow
from workflow_templates.protocol.freeze import Freeze

FREEZE = Freeze("anna", "storage", "2026-01-10T08:00:00.000Z")
SENTENCE = "the cluster is frozen by anna: storage"


def seen(job: Job, *entries: Any, frozen: bool = True, locked: tuple[str, ...] = (), **shown: Any) -> Job:
    notes = StepNotes(at_work=frozenset(locked))
    return observe(job, workflow(*entries, **shown), at(60), notes, FREEZE if frozen else None)


def reasons(job: Job) -> list[str]:
    return [condition.reason for condition in job.conditions]


def phases(job: Job) -> list[NodePhase]:
    return [node.phase for node in job.plan.nodes]


def messages(job: Job) -> list[str]:
    return [node["message"] for node in detail(job, "", "jobs")["plan"]["nodes"]]


def test_a_job_that_is_accepted_meanwhile_waits_and_says_by_whom_and_why() -> None:
    job = seen(argo.job("n1", "n2"), on("n1", "Running", running()), phase="Running")
    assert (job.phase, reasons(job)) == (Phase.PENDING, ["Created", "Frozen"])
    assert SENTENCE in job.conditions[-1].message
    assert phases(job) == [NodePhase.WAITING, NodePhase.PENDING]
    assert messages(job) == [SENTENCE, SENTENCE]


def test_the_same_state_of_its_workflow_is_looked_at_again_when_it_is_unfrozen() -> None:
    entries = on("n1", "Running", running())
    job = seen(argo.job("n1", "n2"), entries, phase="Running", version="100")
    job = seen(job, entries, phase="Running", version="100", frozen=False)
    assert (job.phase, reasons(job)) == (Phase.RUNNING, ["Created", "Frozen", "Unfrozen", "Started"])
    assert phases(job) == [NodePhase.RUNNING, NodePhase.PENDING]
    assert messages(job) == ["", ""]
    assert job.plan.nodes[0].start == at(60), "when its pod was made it waited"
    again = seen(job, entries, on("n2", "Running", running(), index=1), phase="Running", version="101", frozen=False)
    assert again.plan.nodes[0].start is not None


def test_what_has_begun_stays_so() -> None:
    entries = on("n1", "Running", running())
    job = seen(argo.job("n1", "n2"), entries, phase="Running", frozen=False)
    job = seen(job, entries, phase="Running", version="101", locked=("n1",))
    assert (job.phase, phases(job)) == (Phase.RUNNING, [NodePhase.RUNNING, NodePhase.PENDING])
    assert messages(job) == ["", SENTENCE]
    done = seen(job, on("n1", "Succeeded", succeeded()), phase="Running", version="102")
    assert phases(done) == [NodePhase.SUCCEEDED, NodePhase.PENDING]


def test_one_that_was_locked_just_before_has_begun() -> None:
    job = seen(argo.job("n1"), on("n1", "Running", running()), phase="Running", locked=("n1",))
    assert phases(job) == [NodePhase.RUNNING]
    assert "Frozen" not in reasons(job)


def test_it_is_said_once_and_again_where_another_person_says_why() -> None:
    entries = on("n1", "Running", running())
    job = seen(argo.job("n1"), entries, phase="Running")
    assert seen(job, entries, phase="Running", version="101").conditions == job.conditions
    other = replace(FREEZE, by="bert")
    job = observe(job, workflow(entries, phase="Running", version="102"), at(70), StepNotes(), other)
    assert reasons(job) == ["Created", "Frozen", "Frozen"]
    assert "bert" in job.conditions[-1].message


def test_a_job_that_is_stopped_meanwhile_has_not_begun_its_nodes() -> None:
    job = seen(argo.job("n1", "n2"), on("n1", "Running", running()), phase="Running")
    job = replace(job, stop_requested=at(30))
    ended = failed(143, "")
    # Its pod has ended before the Workflow has, which cleans up, and meanwhile the cluster is unfrozen.
    job = seen(job, on("n1", "Failed", ended), version="101", spec={"shutdown": "Stop"})
    job = seen(job, on("n1", "Failed", ended), version="102", spec={"shutdown": "Stop"}, frozen=False)
    job = seen(job, on("n1", "Failed", ended), phase="Failed", version="103", spec={"shutdown": "Stop"}, frozen=False)
    assert (job.phase, job.conditions[-1].reason) == (Phase.FAILED, "Stopped")
    assert phases(job) == [NodePhase.SKIPPED, NodePhase.SKIPPED]
    assert SENTENCE in messages(job)[0]


@pytest.mark.parametrize("kind", [JobType.PREFLIGHT, JobType.REBOOT])
def test_jobs_of_all_types_that_lock_nodes_say_so(kind: JobType) -> None:
    job = seen(argo.job("n1", job_type=kind), phase="Running")
    assert reasons(job) == ["Created", "Frozen"]
    assert messages(job) == [SENTENCE]

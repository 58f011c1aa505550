"""What followers of a job are told (contract: GET /{id}/events)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from service.domain.job import Condition, Job, NodePhase, Phase, Plan, PlannedNode
from service.domain.job_changes import changes, state
from service.domain.job_representation import detail
from tests.records_suite.example import NOON, a_job

LATER = datetime(2026, 5, 1, 13, tzinfo=UTC)
CREATED = Condition(Phase.PENDING, "Created", "job created", NOON)
WAITING = Condition(Phase.RUNNING, "Waiting", "node n2 is busy", NOON)
BEGUN = a_job(
    plan=Plan((PlannedNode("n1", NodePhase.RUNNING, start=NOON), PlannedNode("n2"))),
    phase=Phase.RUNNING,
    started=NOON,
    conditions=(CREATED, WAITING),
)


def told(after: Job, before: Job = BEGUN) -> list[tuple[str, dict[str, Any]]]:
    return list(changes(before, after))


def shown(job: Job) -> Any:
    return detail(job, "", "jobs")


def test_nothing_new_is_nothing() -> None:
    assert told(replace(BEGUN, workflow_version="7")) == []


def test_what_changed_is_told_as_get_shows_it_and_in_order() -> None:
    nodes = (PlannedNode("n1", NodePhase.SUCCEEDED, start=NOON, end=LATER), PlannedNode("n2", NodePhase.FAILED, "no"))
    done = Condition(Phase.FAILED, "Failed", "node n2: no", LATER)
    after = replace(BEGUN, plan=Plan(nodes), phase=Phase.FAILED, ended=LATER, conditions=(CREATED, WAITING, done))
    assert told(after) == [
        ("phase", {key: shown(after)[key] for key in ("phase", "startTime", "endTime")}),
        ("condition", shown(after)["conditions"][2]),
        ("node", shown(after)["plan"]["nodes"][0]),
        ("node", shown(after)["plan"]["nodes"][1]),
        ("progress", {"progress": "2/2"}),
        ("end", {"phase": "Failed", "endTime": shown(after)["endTime"]}),
    ]


def test_a_condition_that_is_brought_up_to_date_comes_again() -> None:
    now = replace(WAITING, message="node n2 is locked by job x")
    assert told(replace(BEGUN, conditions=(CREATED, now))) == [
        ("condition", shown(replace(BEGUN, conditions=(now,)))["conditions"][0])
    ]


def test_the_freeze_of_the_cluster_changes_what_nodes_say() -> None:
    assert [data["name"] for name, data in told(replace(BEGUN, frozen="frozen by anna")) if name == "node"] == ["n2"]


@pytest.mark.parametrize("final", [True, False])
def test_a_resume_has_every_condition_and_each_node_once(*, final: bool) -> None:
    job = replace(BEGUN, phase=Phase.SUCCEEDED, ended=LATER) if final else BEGUN
    names = [name for name, _ in state(job)]
    assert names == ["phase", "condition", "condition", "node", "node", "progress", *["end"] * final]

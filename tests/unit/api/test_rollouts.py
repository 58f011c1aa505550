"""rollout in the body, what a dry run shows of it, and pause, resume and advance over HTTP."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from service.domain.cluster_objects import Node
from service.domain.job import Job, JobType, Phase, Plan, PlannedNode
from service.domain.job_rollout import JobRollout, PhaseState, RolloutPhase, Steering
from tests.records_suite.example import a_job
from tests.unit.api.test_app import is_problem
from tests.unit.api.wired import client_of
from tests.unit.api.world import JOBS, REBOOT, World
from workflow_templates.protocol import labels
from workflow_templates.protocol.rollout import FILE, Rollout

FLEET = [Node(f"n{number}", labels={"rack": f"r{number % 2}"}) for number in range(1, 5)]
ADDON: dict[str, Any] = {
    "name": "driver",
    "type": "addon",
    "inputs": [{"name": "cluster", "value": "local"}, {"name": "addon.template", "value": "fix"}],
}


def world(**fields: Any) -> World:
    return World(node_list=[*FLEET], **fields)


async def submit(here: World, rollout: Any, query: str = "", **body: Any) -> httpx.Response:
    async with client_of(here.app()) as client:
        return await client.post(f"{JOBS}{query}", content=json.dumps({**ADDON, **body, "rollout": rollout}))


def faults(answer: httpx.Response) -> list[tuple[str, str]]:
    assert is_problem(answer, 400), answer.text
    return [(fault["path"], fault["errorCode"]) for fault in answer.json()["errors"]]


STEPPED = {
    "maxUnavailable": "50%",
    "failureLimit": 1,
    "onFailure": "pause",
    "phases": [{"nodes": 1, "soakSeconds": 60, "advance": "manual"}, {"nodes": "rest"}],
    "topology": {"label": "rack", "maxPerGroup": 1},
}


async def test_a_dry_run_shows_what_will_happen_before_it_does() -> None:
    here = world()
    here.node_list[2] = replace(FLEET[2], worked_on_by="other-abc123")
    answer = await submit(here, STEPPED, "?dryRun=true")
    assert answer.status_code == 200, answer.text
    (warned,) = [warning for warning in answer.json()["rollout"].pop("warnings") if "group" in warning]
    assert warned == "group 'r1': as many of its nodes as may be are out of service; the others wait for n3"
    assert answer.json()["rollout"] | {"warnings": []} == {
        "maxUnavailable": 2,
        "failureLimit": 1,
        "onFailure": "pause",
        "topology": {"label": "rack", "maxPerGroup": 1},
        "atOnce": 2,
        "phases": [
            {"phase": 1, "nodes": ["n1"], "soakSeconds": 60, "advance": "manual"},
            {"phase": 2, "nodes": ["n2", "n3", "n4"], "soakSeconds": 0, "advance": "auto"},
        ],
        "groups": [{"group": "r1", "nodes": ["n1", "n3"]}, {"group": "r0", "nodes": ["n2", "n4"]}],
        "outOfService": [{"name": "n3", "reason": "job other-abc123 works on it"}],
        "warnings": [],
    }
    assert here.jobs == {}


async def test_what_was_shown_is_what_runs_and_get_shows_it() -> None:
    here = world()
    shown = (await submit(here, STEPPED, "?dryRun")).json()
    other = await submit(here, {**STEPPED, "failureLimit": 0}, f"?expectedPlan={shown['planDigest']}")
    assert is_problem(other, 409)
    answer = await submit(here, STEPPED, f"?expectedPlan={shown['planDigest']}")
    job = here.jobs[answer.json()["jobId"]]
    resolved = Rollout.of(job.work["files"][FILE])
    assert [list(phase.nodes) for phase in resolved.phases] == [phase["nodes"] for phase in shown["rollout"]["phases"]]
    assert job.plan.names == resolved.nodes
    assert (job.work["parallelism"], job.work["parameters"]["required"]) == (2, "3")
    async with client_of(here.app()) as client:
        got = (await client.get(f"{JOBS}/{job.job_id}")).json()["rollout"]
    assert (got["maxUnavailable"], got["failureLimit"], got["paused"]) == (2, 1, "")
    assert [(phase["phase"], phase["state"], phase["start"]) for phase in got["phases"]] == [
        (1, "Pending", ""),
        (2, "Pending", ""),
    ]
    assert [node for phase in got["phases"] for node in phase["nodes"]] == list(job.plan.names)


async def test_without_a_rollout_nothing_of_it_is_shown() -> None:
    here = world()
    assert "rollout" not in (await submit(here, None, "?dryRun")).json()
    job_id = (await submit(here, None)).json()["jobId"]
    async with client_of(here.app()) as client:
        assert "rollout" not in (await client.get(f"{JOBS}/{job_id}")).json()


@pytest.mark.parametrize(
    ("rollout", "body", "found"),
    [
        ({"maxUnavailable": "101%"}, {}, [("rollout.maxUnavailable", "INVALID_VALUE")]),
        ({"failureLimit": -1}, {}, [("rollout.failureLimit", "INVALID_VALUE")]),
        ({"failureLimit": "101%"}, {}, [("rollout.failureLimit", "INVALID_VALUE")]),
        ({"phases": []}, {}, [("rollout.phases", "INVALID_VALUE")]),
        ({"phases": [{"nodes": 3}, {"nodes": 2}]}, {}, [("rollout.phases[1].nodes", "INVALID_VALUE")]),
        ({"phases": [{"nodes": 3}]}, {}, [("rollout.phases", "INVALID_VALUE")]),
        ({"phases": [{"nodes": 1, "soak": 5}, {}]}, {}, [("rollout.phases[0].soak", "UNKNOWN_FIELD")]),
        ({"topology": {"label": "row", "maxPerGroup": 1}}, {}, [("rollout.topology.label", "UNKNOWN_LABEL")]),
        (
            {"topology": {"label": "rack", "together": True}, "maxUnavailable": 1},
            {},
            [("rollout.maxUnavailable", "NEVER_BEGINS")],
        ),
        ({"failureLimit": 1}, {"availableRatio": 0.5}, [("rollout.failureLimit", "CONTRADICTION")]),
        ("fast", {}, [("rollout", "INVALID_VALUE")]),
        (
            {"maxUnavailable": 0, "phases": [{"nodes": "200%"}], "speed": 9},
            {"batchCount": 0, "timeoutSecond": "1"},
            [
                ("timeoutSecond", "INVALID_VALUE"),
                ("batchCount", "INVALID_VALUE"),
                ("rollout.maxUnavailable", "INVALID_VALUE"),
                ("rollout.phases[0].nodes", "INVALID_VALUE"),
                ("rollout.speed", "UNKNOWN_FIELD"),
            ],
        ),
        (
            {"phases": [{"nodes": 9}, {"nodes": 1}], "topology": {"label": "row", "maxPerGroup": 1}},
            {"inputs": [{"name": "cluster", "value": "local"}, {"name": "addon.template", "value": "none"}]},
            [
                ("inputs[1].value", "UNKNOWN_TEMPLATE"),
                ("rollout.phases[0].nodes", "INVALID_VALUE"),
                ("rollout.topology.label", "UNKNOWN_LABEL"),
            ],
        ),
    ],
)
async def test_bad_input_is_refused_with_what_and_where_all_at_once(
    rollout: Any, body: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    here = world()
    assert faults(await submit(here, rollout, **body)) == found
    assert here.jobs == {}


async def test_another_type_has_no_rollout() -> None:
    async with client_of(world().app()) as client:
        answer = await client.post(JOBS, content=json.dumps({**REBOOT, "type": "preflight", "rollout": {}}))
    assert ("rollout", "FIELD_OF_ANOTHER_TYPE") not in faults(answer)  # {} says nothing
    async with client_of(world().app()) as client:
        answer = await client.post(JOBS, content=json.dumps({**REBOOT, "type": "preflight", "rollout": STEPPED}))
    assert ("rollout", "FIELD_OF_ANOTHER_TYPE") in faults(answer)


async def test_a_reboot_with_a_rollout_is_run_by_a_template_of_its_own() -> None:
    here = world()
    body = {**REBOOT, "inputs": [{"name": "cluster", "value": "local"}], "rollout": STEPPED}
    async with client_of(here.app()) as client:
        answer = await client.post(JOBS, content=json.dumps(body))
        alone = await client.post(JOBS, content=json.dumps(REBOOT))
    job = here.jobs[answer.json()["jobId"]]
    assert job.template == "opsjob-reboot-rollout-1"
    assert (job.rollout and job.rollout.at_once, "parallelism" in job.work) == (2, False)
    assert here.jobs[alone.json()["jobId"]].template == "opsjob-reboot-1"


OWN = "upgrade-abc123"


def under_way(**fields: Any) -> Job:
    phases = (RolloutPhase(1, state=PhaseState.AWAITING_ADVANCE), RolloutPhase(1))
    plain: dict[str, Any] = {
        "user_id": "id-alice",
        "cluster_id": "local",
        "phase": Phase.RUNNING,
        "plan": Plan((PlannedNode("n1"), PlannedNode("n2"))),
        "rollout": JobRollout(phases=phases),
    }
    return a_job(OWN, **plain | fields)


async def call(here: World, what: str, body: Any = None, who: str = "alice") -> httpx.Response:
    async with client_of(here.app(), who) as client:
        content = b"" if body is None else json.dumps(body)
        return await client.post(f"{JOBS}/{OWN}/{what}", content=content)


async def test_pause_resume_and_advance_answer_nothing_and_tell_the_workflow() -> None:
    here = World(jobs={OWN: under_way()}, verbs={"update"})
    for what, body in (("pause", {"reason": "driver looks bad"}), ("resume", None), ("advance", {"expectedPhase": 1})):
        answer = await call(here, what, body)
        assert (answer.status_code, answer.content) == (200, b""), answer.text
    told = [annotations for _, annotations in here.steered]
    assert [one[labels.PAUSED] for one in told] == ["alice: driver looks bad", None, None]
    assert told[-1][labels.ADVANCED] == "1"
    async with client_of(here.app()) as client:
        conditions = (await client.get(f"{JOBS}/{OWN}")).json()["conditions"]
    assert [(one["type"], one["reason"]) for one in conditions][-3:] == [
        ("Running", "Paused"),
        ("Running", "Resumed"),
        ("Running", "Advanced"),
    ]


@pytest.mark.parametrize(("kind", "steered"), [("addon", True), ("reboot", True), ("preflight", False)])
async def test_each_job_whose_steps_ask_is_accepted_as_one_that_can_be_paused(kind: str, *, steered: bool) -> None:
    here = world()
    body: dict[str, Any] = {"name": "plain", "type": kind, "inputs": [{"name": "cluster", "value": "local"}]}
    if kind == "addon":
        body["inputs"] = [*body["inputs"], {"name": "addon.template", "value": "fix"}]
    if kind == "preflight":
        body |= {"image": "registry.local/check:1", "entryPoint": "dHJ1ZQ=="}
    async with client_of(here.app()) as client:
        answer = await client.post(JOBS, content=json.dumps(body))
    assert answer.status_code == 200, answer.text
    job = here.jobs[answer.json()["jobId"]]
    assert (job.rollout, job.steering) == (None, Steering() if steered else None)


async def test_a_job_without_rollout_is_paused_and_resumed_but_not_advanced() -> None:
    here = World(jobs={OWN: under_way(rollout=None, steering=Steering())}, verbs={"update"})
    assert (await call(here, "pause", {"reason": "looks bad"})).status_code == 200
    assert (await call(here, "resume")).status_code == 200
    assert [annotations for _, annotations in here.steered] == [
        {labels.PAUSED: "alice: looks bad"},
        {labels.PAUSED: None},
    ]
    answer = await call(here, "advance")
    assert (is_problem(answer, 409), answer.json()["errorCode"]) == (True, "NO_ROLLOUT")


@pytest.mark.parametrize(
    ("what", "body", "path", "code"),
    [
        ("pause", {"why": "x"}, "why", "UNKNOWN_FIELD"),
        ("pause", {"reason": 5}, "reason", "INVALID_VALUE"),
        ("resume", {"reason": "x"}, "reason", "UNKNOWN_FIELD"),
        ("advance", {"expectedPhase": 0}, "expectedPhase", "INVALID_VALUE"),
        ("advance", {"expectedPhase": "1"}, "expectedPhase", "INVALID_VALUE"),
        ("advance", {"phase": 1}, "phase", "UNKNOWN_FIELD"),
    ],
)
async def test_a_faulty_body_is_refused(what: str, body: Any, path: str, code: str) -> None:
    here = World(jobs={OWN: under_way()}, verbs={"update"})
    assert faults(await call(here, what, body)) == [(path, code)]
    assert here.steered == []


@pytest.mark.parametrize(
    ("what", "fields", "status", "code"),
    [
        ("pause", {"phase": Phase.SUCCEEDED}, 409, "JOB_ENDED"),
        ("resume", {"phase": Phase.FAILED}, 409, "JOB_ENDED"),
        ("pause", {"rollout": None}, 409, "NO_ROLLOUT"),
        ("advance", {"rollout": JobRollout(phases=(RolloutPhase(2),))}, 409, "NOTHING_TO_ADVANCE"),
        ("pause", {"rollout": None, "type": JobType.PREFLIGHT}, 400, "NOT_FOR_THIS_TYPE"),
    ],
)
async def test_a_job_that_is_in_no_state_for_it(what: str, fields: dict[str, Any], status: int, code: str) -> None:
    here = World(jobs={OWN: under_way(**fields)}, verbs={"update"})
    answer = await call(here, what)
    assert is_problem(answer, status)
    assert answer.json()["errorCode"] == code


async def test_a_phase_that_another_person_has_ended_meanwhile_is_not_ended_twice() -> None:
    here = World(jobs={OWN: under_way()}, verbs={"update"})
    answer = await call(here, "advance", {"expectedPhase": 2})
    assert is_problem(answer, 409)
    assert answer.json()["errorCode"] == "OTHER_PHASE"


@pytest.mark.parametrize(
    ("what", "verbs", "creates", "status"),
    [
        ("pause", {"get"}, set(), 200),
        ("resume", {"get"}, {JobType.ADDON}, 403),
        ("resume", {"get", "update"}, set(), 403),
        ("advance", {"get"}, {JobType.ADDON}, 403),
        ("advance", {"get", "update"}, set(), 403),
        ("advance", {"get", "update"}, {JobType.ADDON}, 200),
    ],
)
async def test_who_has_work_begun_needs_both_rights_now_owner_or_not(
    what: str, verbs: set[str], creates: set[JobType], status: int
) -> None:
    here = World(jobs={OWN: under_way()}, verbs=verbs, creates=creates)
    assert (await call(here, what)).status_code == status
    stranger = World(jobs={OWN: under_way()}, verbs=set(), creates=creates)
    assert is_problem(await call(stranger, what, who="bob"), 404)

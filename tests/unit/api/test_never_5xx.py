"""docs/security.md: every refusal is a problem, never a 5xx, whatever is sent. In-process, over a service of fakes."""

import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.api.examples import EXAMPLES
from service.api.request_bodies import ALL_FIELDS
from service.domain.cluster_objects import Node
from service.domain.job import NodePhase, Phase, Plan, PlannedNode
from service.domain.job_rollout import JobRollout, RolloutPhase
from service.jobs.prepare_preflight import PreflightSettings
from tests.records_suite.example import a_job
from tests.unit.api.wired import client_of
from tests.unit.api.world import JOBS, World

TRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals(allow_nan=False, allow_infinity=False).map(float)
    | st.text(max_size=30)
    | st.sampled_from(
        ["", "0", "***", "\0", "\ud800", "{{x}}", "n1", "n9", "team", "local", "8Gi", "/etc/..", "Zm9v", "=1"]
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
INPUTS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["node", "workspace", "cluster", "workload", "addon.template", "node.template"])
            | st.text(max_size=9),
            "value": SCALARS,
        }
    ),
    max_size=4,
)
FIELDS = sorted(ALL_FIELDS | {"replica", "securityOperation"})
BODIES = st.builds(
    lambda example, changes, inputs: {**example, **changes, **({"inputs": inputs} if inputs else {})},
    st.sampled_from(EXAMPLES),
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=9), JSON, max_size=4),
    INPUTS,
)
TAILS = st.sampled_from(["", "/a-1", "/a-1/stop", "/a-1/pause", "/a-1/retry", "/a-1/log", "/a-1/outputs/report"])
SHARES = st.integers(-1, 9) | st.sampled_from(["50%", "100%", "0%", "101%", "rest", "%"]) | SCALARS
PHASES = st.dictionaries(st.sampled_from(["nodes", "soakSeconds", "advance"]) | st.text(max_size=5), SHARES, max_size=3)
TOPOLOGIES = st.fixed_dictionaries(
    {"label": st.sampled_from(["rack", ""])}, optional={"maxPerGroup": SHARES, "together": SCALARS}
)
ROLLOUTS = st.dictionaries(
    st.sampled_from(["maxUnavailable", "failureLimit", "onFailure", "phases", "topology"]),
    SHARES
    | st.lists(PHASES, max_size=4)
    | st.fixed_dictionaries(
        {"label": st.sampled_from(["rack", ""])}, optional={"maxPerGroup": SHARES, "together": SCALARS}
    ),
    max_size=4,
)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["dryRun", "expectedPlan", "dryrun", "limit", "offset", "since", "until", "sortBy", "order"])
        | st.text(max_size=9),
        st.sampled_from(
            ["true", "1", "", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00+23:59"]
        )
        | st.text(max_size=20),
    ),
    max_size=4,
).map(lambda pairs: [(encoded(name), encoded(value)) for name, value in pairs])


def encoded(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def is_refused_or_done(answer: httpx.Response) -> bool:
    body = json.loads(answer.content)
    known = answer.status_code < 500 and "Traceback" not in answer.text
    return known and (answer.status_code == 200 or body["errorCode"].isupper())


@TRIED
@given(BODIES, QUERIES)
async def test_whatever_a_body_and_its_query_are(body: Any, query: list[tuple[str, str]]) -> None:
    async with client_of(World().app(preflight=PreflightSettings(host_paths=["/data"]))) as client:
        answer = await client.post(JOBS, params=urlencode(query), content=json.dumps(body))
    assert is_refused_or_done(answer), answer.text


@TRIED
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), st.sampled_from(["", "?dryRun"]))
async def test_whatever_the_bytes_are(content: bytes, query: str) -> None:
    async with client_of(World().app()) as client:
        assert is_refused_or_done(await client.post(f"{JOBS}{query}", content=content))


@TRIED
@given(st.sampled_from(["addon", "reboot"]), ROLLOUTS, SCALARS, st.sampled_from(["", "?dryRun"]))
async def test_whatever_a_rollout_is(kind: str, rollout: Any, batch_count: Any, query: str) -> None:
    inputs = [{"name": "cluster", "value": "local"}] + [{"name": "addon.template", "value": "fix"}] * (kind == "addon")
    body = {"name": "a", "type": kind, "inputs": inputs, "rollout": rollout, "batchCount": batch_count}
    nodes = [Node(f"n{number}", labels={"rack": f"r{number % 3}"}, ready=number > 1) for number in range(6)]
    async with client_of(World(node_list=nodes).app()) as client:
        assert is_refused_or_done(await client.post(f"{JOBS}{query}", content=json.dumps(body)))


@TRIED
@given(st.sampled_from(["pause", "resume", "advance", "retry"]), st.sampled_from(Phase), st.binary() | JSON)
async def test_whatever_steers_a_job(what: str, phase: Phase, body: Any) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body)
    rollout = JobRollout(phases=(RolloutPhase(1),), on_failure="pause")
    plan = Plan((PlannedNode("n1", NodePhase.FAILED),))
    job = a_job("a-1", user_id="id-alice", cluster_id="local", phase=phase, plan=plan, rollout=rollout)
    async with client_of(World(jobs={"a-1": job}, verbs={"update"}).app()) as client:
        answer = await client.post(f"{JOBS}/a-1/{what}", content=content)
    assert not answer.content or is_refused_or_done(answer)


@TRIED
@given(
    QUERIES,
    st.sampled_from(["", "/a-1", "/a-1/stop", "/a-1/pause", "/a-1/retry"]),
    st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD"]),
)
async def test_whatever_a_query_is(query: list[tuple[str, str]], tail: str, method: str) -> None:
    async with client_of(World().app()) as client:
        answer = await client.request(method, f"{JOBS}{tail}", params=urlencode(query))
    assert answer.status_code < 500, answer.text


@TRIED
@given(
    st.dictionaries(
        st.sampled_from(["Idempotency-Key", "X-Request-Id", "Origin", "Sec-Fetch-Site", "If-None-Match", "Host"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40),
        max_size=4,
    )
)
async def test_whatever_a_header_is(headers: dict[str, str]) -> None:
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    async with client_of(World().app()) as client:
        for method, path in (("POST", JOBS), ("GET", f"{JOBS}/a-1"), ("DELETE", f"{JOBS}/a-1")):
            answer = await client.request(method, path, headers=sent, content=b"{}")
            assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("depth", [100, 900, 990, 995, 1_000, 5_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
async def test_however_deep_a_body_is(depth: int, opening: str) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]
    async with client_of(World().app()) as client:
        for content in (opening * depth + "1" + closing * depth, opening * depth):
            body = '{"name": "a", "type": "reboot", "env": ' + content + "}"
            assert is_refused_or_done(await client.post(JOBS, content=body))

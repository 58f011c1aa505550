"""Rollouts from the command line: what its options say, and pause, resume, advance."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from opsjobs_cli.complaints import UsageError
from opsjobs_cli.job_views import described
from opsjobs_cli.printing import Output
from opsjobs_cli.rollout_flags import rollout

from service.domain.cluster_objects import Node
from tests.cli.conftest import Opsjobs
from tests.cli.served import Served


def test_options_say_what_the_api_says() -> None:
    assert rollout("10%", "2", "pause", ["1,soak=600,manual", "25%", "rest"], "topology.example.com/rack=1", None) == {
        "maxUnavailable": "10%",
        "failureLimit": 2,
        "onFailure": "pause",
        "phases": [{"nodes": 1, "soakSeconds": 600, "advance": "manual"}, {"nodes": "25%"}, {"nodes": "rest"}],
        "topology": {"label": "topology.example.com/rack", "maxPerGroup": 1},
    }
    assert rollout(None, "0", None, None, None, "domain") == {
        "failureLimit": 0,
        "topology": {"label": "domain", "together": True},
    }
    assert rollout(None, None, None, None, None, None) is None


@pytest.mark.parametrize(
    ("phases", "per_group", "together"),
    [(["1,soon"], None, None), (["1,soak=ten"], None, None), (None, "rack", None), (None, "rack=1", "domain")],
)
def test_what_cannot_be_read_is_usage(phases: list[str] | None, per_group: str | None, together: str | None) -> None:
    with pytest.raises(UsageError):
        rollout(None, None, None, phases, per_group, together)


@pytest.fixture
def four(service: Served) -> Served:
    service.world.node_list = [Node(f"n{number}", labels={"rack": f"r{number % 2}"}) for number in range(4)]
    return service


def test_a_dry_run_shows_the_phases_and_a_job_has_them(opsjobs: Opsjobs, four: Served) -> None:
    words = (
        *("addon", "-t", "fix", "--cluster", "local", "--max-unavailable", "50%", "--failure-limit", "1"),
        *("--phase", "1,soak=60,manual", "--phase", "rest", "--per-group", "rack=1", "--on-failure", "pause"),
    )
    shown = opsjobs(*words, "--dry-run")
    assert shown.code == 0, shown.err
    assert "at most 2 out of service" in shown.out
    assert "1 failures tolerated, then pause" in shown.out
    ended = opsjobs(*words)
    assert ended.code == 0, ended.err
    job_id = ended.out.strip()
    assert four.job(job_id).options["rollout"]["phases"][0] == {"nodes": 1, "soakSeconds": 60, "advance": "manual"}
    assert "Phase 2: 3 nodes, Pending" in opsjobs("get", job_id).out


def test_a_job_is_paused_and_goes_on(opsjobs: Opsjobs, four: Served) -> None:
    job_id = opsjobs("addon", "-t", "fix", "--cluster", "local", "--max-unavailable", "1").out.strip()
    four.run(job_id)
    ended = opsjobs("pause", job_id, "--reason", "the rack is hot")
    assert ended.code == 0, ended.err
    assert "the rack is hot" in opsjobs("get", job_id).out
    assert f"opsjobs resume {job_id}" in opsjobs("get", job_id).out
    assert opsjobs("resume", job_id).code == 0
    assert "lets it go on" not in opsjobs("get", job_id).out
    four.end(job_id)
    assert opsjobs("pause", job_id).code == 3


def test_an_advance_ends_the_phase_that_was_seen(opsjobs: Opsjobs, four: Served) -> None:
    job_id = opsjobs("addon", "-t", "fix", "--cluster", "local", "--phase", "1,manual", "--phase", "rest").out.strip()
    four.run(job_id)
    four.seen.clear()
    opsjobs("advance", job_id)
    assert [(method, path.rpartition("/")[2]) for method, path, _ in four.seen] == [
        ("GET", job_id),
        ("POST", "advance"),
    ]
    # The service knows of no gate yet, and says which phase it is in.
    assert opsjobs("advance", job_id, "--expected-phase", "2").code == 3


def test_states_of_phases_say_what_to_do(capsys: pytest.CaptureFixture[str], opsjobs: Opsjobs, four: Served) -> None:
    job_id = opsjobs("addon", "-t", "fix", "--cluster", "local", "--phase", "1,manual", "--phase", "rest").out.strip()
    job = json.loads(opsjobs("get", job_id, "-o", "json").out)
    assert four.job(job_id)
    one, two = job["rollout"]["phases"]
    now = datetime.now(UTC).isoformat()
    job["rollout"]["phases"] = [one | {"state": "AwaitingAdvance"}, two | {"state": "Soaking", "soakStart": now}]
    described(job, replace(Output(), utc=True))
    shown = capsys.readouterr().out
    assert f"Phase 1: 1 nodes, waits for opsjobs advance {job_id}" in shown
    assert "Phase 2: 3 nodes, soaks 0s from" in shown

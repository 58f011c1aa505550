"""What a step writes and what becomes of a job, followed from a terminal against the real service."""

import json
import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.cli.conftest import Opsjobs
from tests.e2e.live import Api, Cluster, inputs, wait_for

LINES = 3000
#: Each line takes a twentieth of a second, beside which killing a service is no hurry.
WRITES = f"for n in $(seq {LINES}); do echo line-$n; sleep 0.05; done"


def numbered(text: str) -> list[int]:
    """Of the lines that the script wrote; the step repeats the last one when it says how it ended."""
    return [int(number) for number in re.findall(r"^(?:[\w-]+: )?line-(\d+)", text, re.MULTILINE)]


def test_output_is_followed_while_it_is_written_and_ends_as_the_job(
    cluster: Cluster, api: Api, opsjobs: Opsjobs, addon: Callable[..., str], node: str
) -> None:
    gate = f"/run/e2e-{secrets.token_hex(3)}"
    script = f"echo line-1; until test -e {gate}; do sleep 0.2; done; printf 'line-2\\033]0;owned\\007\\n'; exit 3"
    terminal = opsjobs.in_terminal("addon", "-t", addon(script), "--node", node, "--name", "follow me", "--follow")
    terminal.until(rf"{node}: line-1\n")
    found = re.search(r"follow-me-[a-z0-9]{6}", terminal.screen)
    assert found is not None
    job_id = found[0]
    api.submitted.append(job_id)
    wait_for("the node to be shown as locked", lambda: shown(opsjobs, node)["lockedBy"] == job_id)
    watching = opsjobs.in_terminal("watch", job_id)
    watching.until(rf"{node} +Running")
    assert opsjobs("watch", job_id, "--wait-timeout", "0.1").returncode == 124
    left = opsjobs.in_terminal("logs", "-f", job_id, "--node", node)
    left.until(r"line-1\n")
    left.press("\x03")
    assert left.ended() == 130
    assert f"opsjobs watch {job_id}" in left.screen
    cluster.on_host(node, "touch", gate)

    # Of what is drawn again and again a terminal that is not read holds little.
    assert watching.ended() == 1
    assert re.search(rf"{node} +Failed", watching.screen)
    assert terminal.ended() == 1
    assert numbered(terminal.screen) == [1, 2]
    assert "line-2\\x1b]0;owned\\x07" in terminal.screen

    again = opsjobs("logs", job_id, "--node", node)
    assert numbered(again.stdout) == [1, 2], again.stderr
    assert "\x1b" not in again.stdout
    assert "\x1b]0;owned\x07" in opsjobs("logs", job_id, "--raw").stdout
    assert f"{node} Failed" in opsjobs("events", job_id).stdout
    events = opsjobs("events", "-f", job_id)
    assert events.returncode == 1
    assert f"{node} Failed" in events.stdout
    wait_for("the node to show its last job", lambda: shown(opsjobs, node).get("lastJob", {}).get("jobId") == job_id)


def shown(opsjobs: Opsjobs, node: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(opsjobs("nodes", node, "-o", "json").stdout)["items"][0]
    return found


@pytest.mark.alone
@pytest.mark.long
def test_a_follower_outlives_two_services_and_misses_no_line(
    cluster: Cluster, api: Api, opsjobs: Opsjobs, addon: Callable[..., str], node: str
) -> None:
    job_id = api.create(name="long talk", inputs=inputs(addon(WRITES), nodes=[node]))
    logs = opsjobs.in_terminal("logs", "-f", job_id)
    watch = opsjobs.begun("watch", job_id)
    for seen in (LINES // 10, LINES // 3):
        logs.until(rf"line-{seen}\n")
        assert api_is_at_work(opsjobs, job_id)
        killed = cluster.kill_services()
        wait_for("another service", lambda: cluster.ready_services() - killed)  # noqa: B023
    assert logs.ended() == 0, logs.screen[-2000:]
    watched, _ = watch.communicate()
    assert watch.returncode == 0, watched
    assert f"{node}: Succeeded" in watched
    assert numbered(logs.screen) == list(range(1, LINES + 1))
    assert "trying again" in logs.screen
    assert "answers again" in logs.screen
    assert "lines are missing" not in logs.screen


def api_is_at_work(opsjobs: Opsjobs, job_id: str) -> bool:
    return bool(json.loads(opsjobs("get", job_id, "-o", "json").stdout)["phase"] == "Running")

"""What a step writes and what becomes of a job, followed from a terminal against the real service."""

import json
import re
import secrets
from collections.abc import Callable
from typing import Any

from tests.e2e.cli.conftest import Opsjobs
from tests.e2e.live import Api, Cluster, wait_for


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

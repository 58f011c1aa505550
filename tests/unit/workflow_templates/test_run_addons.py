"""Addon templates in their order on one host (contract: addon)."""

import json
from pathlib import Path
from typing import Any

import pytest

from workflow_templates.addon import run_addons
from workflow_templates.addon.node_outcome import Outcome
from workflow_templates.addon.run_addons import Addon
from workflow_templates.host import Host
from workflow_templates.kubernetes_api import Object

BASH = {"shell": "/bin/bash"}
NODE: Object = {"status": {"allocatable": {"amd.com/gpu": "8"}}}


def addon(name: str, script: str, **fields: Any) -> Addon:
    known = {"check": None, "required": True, "gpu_vendor": None, "shell": "/bin/sh", "timeout_second": None}
    return Addon(name=name, script=script, **{**known, **fields})


def run(host: Host, *templates: Addon) -> tuple[str, str, list[tuple[str, str, str, int | None]]]:
    outcome = Outcome("gpu-1")
    run_addons.run_all(list(templates), host, NODE, outcome)
    each: list[tuple[str, str, str, int | None]] = [
        (done.name, done.result, done.message, done.exitCode) for done in outcome.templates
    ]
    return outcome.result, outcome.message, each


def test_they_run_in_order(host: Host, tmp_path: Path) -> None:
    log = tmp_path / "log"
    result, message, each = run(host, *(addon(name, f"echo {name} >> {log}") for name in ("c", "a", "b")))
    assert (result, message) == ("succeeded", "")
    assert log.read_text().split() == ["c", "a", "b"]
    assert [name for name, *_ in each] == ["c", "a", "b"]


def test_the_first_required_failure_ends_the_node(host: Host, tmp_path: Path) -> None:
    result, message, each = run(
        host, addon("good", "true"), addon("bad", "echo disk full >&2; exit 3"), addon("never", f"touch {tmp_path}/ran")
    )
    assert result == "failed"
    assert message == "addon template bad ended with exit code 3: disk full"
    assert [entry[:2] for entry in each] == [("good", "succeeded"), ("bad", "failed")]
    assert not (tmp_path / "ran").exists()


def test_one_that_is_not_required_may_fail(host: Host) -> None:
    result, message, each = run(host, addon("bad", "exit 3", required=False), addon("good", "true"))
    assert result == "succeeded"
    assert "bad" in message
    assert each == [
        ("bad", "failed", "ended with exit code 3", 3),
        ("good", "succeeded", "ended with exit code 0", 0),
    ]


def test_what_is_in_place_is_skipped(host: Host, tmp_path: Path) -> None:
    _, _, each = run(host, addon("a", f"touch {tmp_path}/ran", check="exit 0"))
    assert each == [("a", "skipped", "already in place", None)]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("check", ["exit 1", "nonsense-command", "kill -9 $$"])
def test_what_is_not_in_place_is_run(host: Host, check: str) -> None:
    assert run(host, addon("a", "true", check=check))[2] == [("a", "succeeded", "ended with exit code 0", 0)]


def test_a_node_without_that_gpu_is_skipped(host: Host) -> None:
    _, _, each = run(host, addon("n", "exit 1", gpu_vendor="nvidia"), addon("a", "true", gpu_vendor="amd"))
    assert each == [
        ("n", "skipped", "the node has no GPU of nvidia", None),
        ("a", "succeeded", "ended with exit code 0", 0),
    ]


def test_a_time_that_was_up_is_named(host: Host) -> None:
    result, message, _ = run(host, addon("slow", "sleep 60", timeout_second=1))
    assert (result, message) == ("failed", "addon template slow was ended after its 1 s were up")


def test_one_that_was_begun_before_is_not_run_again(host: Host, tmp_path: Path) -> None:
    once = addon("a", f"echo x >> {tmp_path}/log")
    run(host, once)
    result, message, _ = run(host, once)
    assert result == "failed"
    assert "was begun on this node before" in message
    assert (tmp_path / "log").read_text() == "x\n"


def test_its_shell_is_honoured(host: Host) -> None:
    assert run(host, addon("a", "a=(1 2); echo ${#a[@]} >&2", **BASH))[0] == "succeeded"


def test_the_snapshot_is_read_as_it_was_written(tmp_path: Path) -> None:
    script = "echo '{{workflow.name}}' \"ü\"\n"
    entry = {"name": "a", "description": "d", "script": script, "check": None, "required": False}
    more = {"gpuVendor": "amd", "shell": "/bin/bash", "timeoutSecond": 5}
    path = tmp_path / "addons.json"
    path.write_text(json.dumps({"templates": [{**entry, **more}]}, ensure_ascii=False), encoding="utf-8")
    assert run_addons.read(path) == [addon("a", script, required=False, gpu_vendor="amd", timeout_second=5, **BASH)]


def test_a_killed_step_has_written_which_template_it_was_at(
    host: Host, tmp_path: Path, termination_message: Path
) -> None:
    """The kubelet reads it whatever became of the step: the script sees it as the kubelet would."""
    copy = addon("second", f"cp {termination_message} {tmp_path}/said")
    run(host, addon("first", "true"), copy)
    assert (tmp_path / "said").read_text() == "addon template second was being run"

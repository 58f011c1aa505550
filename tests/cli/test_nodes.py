"""opsjobs nodes, freeze, unfreeze."""

import json
import re
from typing import Any

from tests.cli.conftest import Opsjobs
from tests.cli.scripted import NOW, Scripted, content, problem

NODES, FREEZE = "/api/v1/nodes", "/api/v1/freeze"
HOSTILE = "\x1b]0;owned\x07[red]not red[/red]"


def machine(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "labels": {"zone": "a"}, "ready": True, "cordoned": False, "cordonedBy": "", "lockedBy": "",
            **fields}  # fmt: skip


def last(job_id: str, phase: str = "Succeeded") -> dict[str, str]:
    return {"jobId": job_id, "type": "reboot", "phase": phase, "time": NOW}


def test_nodes_show_who_locks_and_cordons_them_and_what_ran(opsjobs: Opsjobs, scripted: Scripted) -> None:
    listed = [
        machine(
            "gpu-1", cordoned=True, cordonedBy="reboot-a", lockedBy="reboot-a", lastJob=last("reboot-a", "Running")
        ),
        machine("gpu-2", ready=False, lastPreflight=last("check-a", "Failed"), lastJob=last("another job", "")),
        machine("gpu-3", cordoned=True, cordonedBy="a person"),
    ]
    scripted.answers[NODES] = [content({"totalCount": 3, "items": listed})]
    ended = opsjobs("nodes", "-l", "gpu=h100", "-w", "team-a")
    assert ended.code == 0, ended.err
    cells = [re.split(r"\s{2,}", line.strip()) for line in ended.out.splitlines()]
    assert cells == [
        ["NODE", "READY", "CORDONED", "LOCKED BY", "LAST PREFLIGHT", "LAST JOB"],
        ["gpu-1", "Ready", "by reboot-a", "reboot-a", "reboot-a Running"],
        ["gpu-2", "NotReady", "check-a Failed", "another job"],
        ["gpu-3", "Ready", "by a person"],
    ]
    assert scripted.asked(NODES)[0][0] == {
        "selector": "gpu=h100",
        "workspace": "team-a",
        "offset": "0",
        "limit": "1000",
    }
    assert opsjobs("nodes", "-o", "name").out.split() == ["gpu-1", "gpu-2", "gpu-3"]
    assert json.loads(opsjobs("nodes", "-o", "json").out)["items"] == listed
    assert "zone=a" in opsjobs("nodes", "-o", "wide").out


def test_many_nodes_come_in_pages_and_one_by_its_name(opsjobs: Opsjobs, scripted: Scripted) -> None:
    pages = [[machine(f"n{number}") for number in range(at, at + 2)] for at in (0, 2)]
    scripted.answers[NODES] = [content({"totalCount": 5, "items": page}) for page in pages]
    ended = opsjobs("nodes", "--limit", "4", "-o", "name")
    assert ended.out.split() == ["n0", "n1", "n2", "n3"]
    assert [query["offset"] for query, _ in scripted.asked(NODES)] == ["0", "2"]
    scripted.answers[NODES] = [content({"totalCount": 2, "items": [machine("n1"), machine("n10")]})]
    assert opsjobs("nodes", "n1", "-o", "name").out.split() == ["n1"]
    assert opsjobs("nodes", "n2").code == 3
    scripted.answers[NODES] = [content({"totalCount": 2, "items": [machine("n1")]})]
    assert "1 more" in opsjobs("nodes", "--limit", "1").err


def test_names_of_nodes_are_completed(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers[NODES] = [content({"totalCount": 2, "items": [machine("gpu-1"), machine("the-gpu-2")]})]
    opsjobs.environment.setenv("_OPSJOBS_COMPLETE", "complete_bash")
    opsjobs.environment.setenv("COMP_WORDS", "opsjobs reboot --node gpu")
    opsjobs.environment.setenv("COMP_CWORD", "3")
    assert opsjobs().out.split() == ["gpu-1"]
    assert scripted.asked(NODES)[0][0]["name"] == "gpu"


def test_all_is_frozen_and_begins_again(opsjobs: Opsjobs, scripted: Scripted) -> None:
    frozen = {"frozen": True, "by": HOSTILE, "reason": HOSTILE, "since": NOW}
    scripted.answers = {f"PUT {FREEZE}": [content({})], f"DELETE {FREEZE}": [content({})], FREEZE: [content(frozen)]}
    assert opsjobs("freeze").code == 2
    assert opsjobs("freeze", "--reason", "storage is moved").code == 0
    assert scripted.seen[-1][0] == "PUT"
    assert scripted.seen[-1][4] == {"reason": "storage is moved"}
    shown = opsjobs("freeze", "--show", "--utc").out
    assert "2026-01-02 03:04:05Z" in shown
    assert "[red]not red[/red]" in shown
    assert "\x1b" not in shown
    assert opsjobs("unfreeze").code == 0
    assert scripted.seen[-1][0] == "DELETE"
    scripted.answers[FREEZE] = [content({"frozen": False, "by": "", "reason": "", "since": ""})]
    assert opsjobs("freeze", "--show").out == "not frozen\n"
    scripted.answers[f"PUT {FREEZE}"] = [problem(403, "FORBIDDEN", "you may not")]
    assert opsjobs("freeze", "--reason", "x").code == 3


def test_text_of_nodes_does_not_drive_the_terminal(opsjobs: Opsjobs, scripted: Scripted) -> None:
    hostile = machine(HOSTILE, labels={HOSTILE: HOSTILE}, cordoned=True, cordonedBy=HOSTILE, lockedBy=HOSTILE,
                      lastJob=last(HOSTILE, HOSTILE) | {"time": HOSTILE})  # fmt: skip
    scripted.answers[NODES] = [content({"totalCount": 1, "items": [hostile]})]
    for shape in ("table", "wide", "json", "yaml", "name"):
        shown = opsjobs("nodes", "-o", shape)
        assert shown.code == 0
        assert "\x1b" not in shown.out
        assert "\x07" not in shown.out

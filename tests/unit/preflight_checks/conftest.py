"""The ready-made checks (docs/preflight-checks) at work on this machine, the pod's paths moved into a folder."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHECKS = Path(__file__).parents[3] / "docs" / "preflight-checks"


@dataclass
class Ended:
    """How a check ended, as preflight sees it."""

    code: int
    output: str
    reason: str
    #: The lines of its result file by name.
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)


class Pod:
    """A folder that stands for a pod; its tools come first on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tools").mkdir(parents=True, exist_ok=True)
        self.nodes = ["a"]

    def tool(self, name: str, script: str) -> None:
        path = self.folder / "tools" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def begin(self, text: str, *shell: str, **env: object) -> "subprocess.Popen[str]":
        self.write("nodes", "".join(f"{name}\n" for name in self.nodes))
        self.write("said", "")
        moved = text.replace("/dev/termination-log", f"{self.folder}/said").replace(
            "/etc/opsjob/nodes", f"{self.folder}/nodes"
        )
        given = {"OPSJOB_RESULT": str(self.folder / "result.json"), **{name: str(value) for name, value in env.items()}}
        return subprocess.Popen(
            [*(shell or ["/bin/sh"]), str(self.write("entrypoint", moved))],
            env={"PATH": f"{self.folder}/tools:{os.environ['PATH']}", **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def ended(self, process: "subprocess.Popen[str]") -> Ended:
        output, _ = process.communicate(timeout=60)
        result = self.folder / "result.json"
        listed = json.loads(result.read_text())["checks"] if result.exists() else []
        rows = {row["name"]: row for row in listed}
        assert len(rows) == len(listed), "two lines have one name"
        return Ended(process.returncode, output, (self.folder / "said").read_text().strip(), rows)

    def run(self, check: str, *shell: str, **env: object) -> Ended:
        return self.ended(self.begin((CHECKS / f"{check}.sh").read_text(), *shell, **env))


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path / "pod")


@pytest.fixture
def pods(tmp_path: Path) -> Callable[[int], list[Pod]]:
    def make(count: int) -> list[Pod]:
        return [Pod(tmp_path / f"pod-{number}") for number in range(count)]

    return make

"""An export that is stopped: crane ends with it, the Lease is given back, and what it says of the target is true."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local_cluster.registries import PASSWORD, USER
from tests.registries.conftest import DATE
from tests.registries.running import Images, Line, Running, Trust, tool
from tests.unit.workflow_templates.apiserver import LEASES, ApiServer, serving

ROOT = Path(__file__).parents[2]
PATIENCE = 60


def until(what: str, true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.05)


class Step:
    """The step as a process, and a crane that leaves behind which processes it was."""

    def __init__(self, folder: Path, trust: Trust, server: ApiServer) -> None:
        self.server, self._trust, self._folder = server, trust, folder
        self.said, self._pids = folder / "said", folder / "pids"
        self.program = folder / "crane-that-is-seen"
        #: A command of crane's that never ends.
        self.hold = folder / "hold"
        waits = f'[ "$1" = "$(cat {self.hold})" ] && {{ touch {folder}/held; exec sleep 1000; }}'
        self.hold.touch()
        self.program.write_text(f'#!/bin/bash\necho $$ >> {self._pids}\n{waits}\nexec {tool("crane")} "$@"\n')
        self.program.chmod(0o755)
        (folder / "credentials").mkdir()
        (folder / "credentials" / "username").write_text(USER)
        (folder / "credentials" / "password").write_text(PASSWORD)

    @property
    def held(self) -> bool:
        return (self._folder / "held").exists()

    def stopped(self, image: str, target: str, when: Callable[[], bool]) -> int:
        """Run it and stop it as soon as that is so; its exit code."""
        repository, _, digest = image.partition("@")
        export = {"digest": digest, "sources": [repository], "target": target, "date": DATE}
        (self._folder / "export.json").write_text(json.dumps({**export, "namespace": "team-a", "pullSecrets": []}))
        with serving(self.server) as cluster:
            given = {
                "folder": str(self._folder),
                "authorities": str(self._trust.folder),
                "program": str(self.program),
                "cluster": str(cluster._http.base_url),
            }
            command = [sys.executable, "-m", "tests.registries.step", json.dumps(given)]
            environment = {**os.environ, "OPSJOB_TERMINATION_LOG": str(self.said)}
            with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
                try:
                    until("the step is where it is to be stopped", when)
                    process.send_signal(signal.SIGTERM)
                    return process.wait(PATIENCE)
                finally:
                    process.kill()

    def crane_is_gone(self) -> bool:
        return not any(Path(f"/proc/{pid}").exists() for pid in self._pids.read_text().split())


@pytest.fixture
def step(tmp_path: Path, trust: Trust, server: ApiServer) -> Step:
    return Step(tmp_path, trust, server)


@pytest.fixture
def image(source: Running, target: Running, images: Images) -> str:
    images.push(f"{target.host}/custom/team/app:other")
    return images.push(f"{source.host}/team/app:1", size=3_000_000)


def test_in_the_middle_of_a_copy(step: Step, source: Running, target: Running, images: Images, image: str) -> None:
    with Line(source.port, after=1_000_000, cuts=1, holds=True).open() as line:
        ended = step.stopped(
            image.replace(source.host, line.host), f"{target.host}/custom/team/app", line.reached.is_set
        )
    assert ended == 143
    assert step.said.read_text() == "was stopped; the target keeps no tag of this job"
    assert step.crane_is_gone()
    assert images.crane("ls", f"{target.host}/custom/team/app").split() == ["other"]
    assert not [path for path in step.server.objects if path.startswith(LEASES)]


def test_while_it_names_the_image(step: Step, target: Running, image: str) -> None:
    step.hold.write_text("tag")
    assert step.stopped(image, f"{target.host}/custom/team/app", lambda: step.held) == 143
    name = f"{target.host}/custom/team/app:{DATE}"
    assert step.said.read_text() == f"was stopped while it named the image: the target may have {name} already"
    assert step.crane_is_gone()
    assert not [path for path in step.server.objects if path.startswith(LEASES)]

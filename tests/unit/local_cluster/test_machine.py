import json
import os
from pathlib import Path

import pytest

from local_cluster import machine
from local_cluster.cluster_settings import Settings
from local_cluster.stages import Stages


@pytest.fixture
def containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Docker keeps what it knows of containers, with one of the cluster `opsjobs` in it."""
    home = tmp_path / "containers"
    (home / "abc").mkdir(parents=True)
    facts = {"Config": {"Labels": Settings(name="opsjobs").labels}}
    (home / "abc" / "config.v2.json").write_text(json.dumps(facts, separators=(",", ":")))
    monkeypatch.setattr(machine, "DOCKER_CONTAINERS", home)
    return home


@pytest.mark.usefixtures("containers")
def test_a_cluster_that_would_wake_with_the_daemon_is_known_by_its_label() -> None:
    assert machine.cluster_sleeps(Settings(name="opsjobs"))
    assert not machine.cluster_sleeps(Settings(name="opsjob"))


def test_a_machine_without_docker_holds_no_sleeping_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "DOCKER_CONTAINERS", tmp_path / "absent")
    assert not machine.cluster_sleeps(Settings(name="opsjobs"))


def test_a_daemon_that_somebody_else_started_is_left_alone(tmp_path: Path) -> None:
    settings = Settings(cache=tmp_path)
    settings.state.mkdir(parents=True)
    record = settings.state / "dockerd.json"
    record.write_text(json.dumps({"pid": os.getpid()}))
    machine.stop_docker(settings, Stages(tmp_path / "logs"))
    assert not record.exists()


@pytest.mark.parametrize("pid", ["", "999999999", str(os.getpid())], ids=["none", "of nobody", "of another"])
def test_a_pid_that_is_no_daemons_any_more_is_forgotten(tmp_path: Path, pid: str) -> None:
    record = tmp_path / "docker.pid"
    record.write_text(pid)
    machine.forget_stale_pid(record)
    assert not record.exists()


def test_a_daemon_that_lives_keeps_its_pid_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Path("/proc/self/comm").read_text().strip()
    monkeypatch.setitem(machine.DAEMONS, "docker.pid", own)
    record = tmp_path / "docker.pid"
    record.write_text(f"{os.getpid()}\n")
    machine.forget_stale_pid(record)
    assert record.exists()

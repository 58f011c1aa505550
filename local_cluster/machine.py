"""What the machine itself must bring: a few Debian packages and a Docker daemon that answers."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from local_cluster import daemon
from local_cluster.cluster_settings import Settings
from local_cluster.stages import Stage, StageError, Stages

#: Debian's package by a program that it brings.
PACKAGES = {
    "dockerd": "docker.io",
    "mmdebstrap": "mmdebstrap",
    "catatonit": "catatonit",
    "ip": "iproute2",
    "iptables": "iptables",
    "skopeo": "skopeo",
}
BUSYBOX = Path("/bin/busybox")
DOCKER_CONTAINERS = Path("/var/lib/docker/containers")
DAEMONS = {"docker.pid": "dockerd", "containerd.pid": "containerd"}
PID_FILES = (Path("/var/run/docker.pid"), Path("/var/run/docker/containerd/containerd.pid"))
DAEMON_SECONDS = 60.0


def prepare(settings: Settings, stages: Stages) -> None:
    """Install what is missing and start Docker where none answers; needs root for either."""
    missing = missing_packages()
    if missing:
        with stages.stage("Installing packages", "1 min") as stage:
            _install(missing, stage)
    if not daemon.answers():
        start_docker(settings, stages)


def missing_packages() -> list[str]:
    """Name the Debian packages whose programs this machine lacks; a Docker that answers needs no daemon of ours."""
    missing = {package for program, package in PACKAGES.items() if not shutil.which(program, path=_wide_path())}
    if daemon.answers():
        missing.discard("docker.io")
    if not _is_static(BUSYBOX):
        missing.add("busybox-static")
    return sorted(missing)


def start_docker(settings: Settings, stages: Stages) -> None:
    with stages.stage("Starting Docker") as stage:
        _start_docker(settings, stage)


def forget_stale_pid(record: Path) -> None:
    """Remove the pid file of a daemon that was killed: that pid may be another process's by now, and is waited for."""
    if record.exists() and _command_of(int(record.read_text().strip() or 0)) != DAEMONS.get(record.name):
        record.unlink()


def cluster_sleeps(settings: Settings) -> bool:
    """Tell whether a daemon that does not run now left containers of the cluster behind, which would wake with it."""
    key, value = settings.label.split("=")
    mark = f'"{key}":"{value}"'
    return any(mark in config.read_text() for config in DOCKER_CONTAINERS.glob("*/config.v2.json"))


def stop_docker(settings: Settings, stages: Stages) -> None:
    """End the daemon that `up` started, and only that one."""
    record = _daemon_record(settings)
    if not record.exists():
        return
    pid = int(json.loads(record.read_text())["pid"])
    record.unlink()
    if _command_of(pid) != "dockerd":
        return
    with stages.stage("Ending the Docker daemon we started"):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + DAEMON_SECONDS
        while _command_of(pid) == "dockerd":
            if time.monotonic() > deadline:
                raise StageError(f"dockerd (process {pid}) does not end; look at {_daemon_log(settings)}")
            time.sleep(0.2)


def _install(packages: list[str], stage: Stage) -> None:
    if os.geteuid() != 0:
        raise StageError(f"these Debian packages are missing: {' '.join(packages)}; install them, or run as root")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    stage.run(["apt-get", "update", "-q"], env=environment)
    stage.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages], env=environment)


def _start_docker(settings: Settings, stage: Stage) -> None:
    """Start dockerd by hand: a machine whose init runs it would have answered."""
    if os.geteuid() != 0:
        raise StageError("no Docker daemon answers; start one, or run as root so that this can")
    settings.state.mkdir(parents=True, exist_ok=True)
    for record in PID_FILES:
        forget_stale_pid(record)
    with _daemon_log(settings).open("ab") as log:
        started = subprocess.Popen(
            ["dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PATH": _wide_path()},
        )
    _daemon_record(settings).write_text(json.dumps({"pid": started.pid}))
    stage.note(f"dockerd is process {started.pid}, its log {_daemon_log(settings)}")
    deadline = time.monotonic() + DAEMON_SECONDS
    while not daemon.answers():
        if started.poll() is not None or time.monotonic() > deadline:
            raise StageError(f"dockerd does not answer; its log: {_daemon_log(settings)}")
        time.sleep(0.2)


def _daemon_record(settings: Settings) -> Path:
    return settings.state / "dockerd.json"


def _daemon_log(settings: Settings) -> Path:
    return settings.state / "dockerd.log"


def _command_of(pid: int) -> str:
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    name, _, rest = state.partition("(")[2].rpartition(")")
    return "" if rest.split()[0] == "Z" else name


def _is_static(program: Path) -> bool:
    """Tell whether a program runs in an image that holds nothing else."""
    if not program.exists():
        return False
    return b"/lib64/ld-linux" not in program.read_bytes()[:4096]


def _wide_path() -> str:
    """A user's PATH often lacks where Debian keeps daemons."""
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"

"""disk, memory, cpu and clock: what they measure, and that a threshold fails them with the reason."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.unit.preflight_checks.conftest import Pod

SHELLS = [("/bin/sh",), ("busybox", "sh"), ("bash",)]
LITTLE = {"MEMORY_MIB": 16, "MEMORY_SECONDS": 0.1, "MEMORY_MIN_GIBS": 0.001}
SHORT = {"CPU_SECONDS": 0.2, "CPU_MIN_MIBS": 1, "CPU_MIN_EVEN_PERCENT": 0, "CPU_MAX_STEAL_PERCENT": 100}


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_disk_with_room(pod: Pod, shell: tuple[str, ...]) -> None:
    ended = pod.run(
        "disk", *shell, DISK_PATHS=pod.folder, DISK_MIN_FREE_GIB=0.001, DISK_MIN_FREE_PERCENT=0, OPSJOB_RANK=0
    )
    assert (ended.code, ended.reason) == (0, ""), ended.output
    free = ended.rows[f"disk {pod.folder}"]
    assert (free["ok"], free["unit"], free["action"]) == (True, "GiB", "")
    assert free["value"] > 0
    assert "% free" in free["reason"]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_disk_that_is_too_full_is_named(pod: Pod, shell: tuple[str, ...]) -> None:
    ended = pod.run("disk", *shell, DISK_PATHS=f"{pod.folder} /nowhere", DISK_MIN_FREE_GIB=10**9)
    assert ended.code == 1, "unhealthy is worse than not tested"
    assert f"disk {pod.folder}" in ended.reason
    assert "less than 1000000000 GiB" in ended.reason
    assert ended.rows[f"disk {pod.folder}"]["action"] == f"clean up {pod.folder}"
    assert ended.rows["disk /nowhere"]["status"] == "error"


def test_inodes_that_are_used_up(pod: Pod) -> None:
    pod.tool(
        "df", "echo head; case $* in *-i*) echo /dev/a 1000 990 10 99% /x;; *) echo /dev/a 100 0 99999999 0% /x;; esac"
    )
    ended = pod.run("disk", DISK_PATHS=pod.folder)
    assert (ended.code, ended.rows[f"inodes {pod.folder}"]["value"]) == (1, 1.0)
    assert "1.0 % free, less than 5 %" in ended.reason


def test_a_file_system_that_counts_no_inodes(pod: Pod) -> None:
    pod.tool("df", "echo head; case $* in *-i*) echo btrfs 0 0 0 - /x;; *) echo btrfs 99999999 0 99999999 0% /x;; esac")
    ended = pod.run("disk", DISK_PATHS=pod.folder)
    assert (ended.code, list(ended.rows)) == (0, [f"disk {pod.folder}"])


def test_a_directory_that_is_not_mounted_could_not_be_tested(pod: Pod) -> None:
    ended = pod.run("disk", DISK_PATHS="/nowhere")
    assert (ended.code, ended.reason) == (2, "disk: disk /nowhere: is not there: is it a hostpath of the job?")


def test_memory_is_measured(pod: Pod) -> None:
    ended = pod.run("memory", **LITTLE)
    assert ended.code == 0, ended.output
    assert ended.rows["memory-bandwidth"]["value"] > 0.01
    assert ended.rows["memory-size"]["value"] > 0.1


def test_memory_that_is_slow_or_missing(pod: Pod) -> None:
    ended = pod.run("memory", **(LITTLE | {"MEMORY_MIN_GIBS": 10**6, "MEMORY_MIN_TOTAL_GIB": 10**6}))
    assert ended.code == 1
    assert "less than 1e+06 GiB/s" in ended.rows["memory-bandwidth"]["reason"]
    assert "memory-size" in ended.reason
    assert "memory-bandwidth" in ended.reason


def test_more_memory_than_there_is_could_not_be_tested(pod: Pod) -> None:
    ended = pod.run("memory", **(LITTLE | {"MEMORY_MIB": 10**9}))
    assert ended.code == 2
    assert "the pod has room for" in ended.reason


def test_cpus_are_measured(pod: Pod) -> None:
    ended = pod.run("cpu", **SHORT)
    assert ended.code == 0, ended.output
    assert ended.rows["cpu-throughput"]["value"] > 10
    assert 0 < ended.rows["cpu-evenness"]["value"] <= 100
    assert 0 <= ended.rows["cpu-steal"]["value"] <= 100


def test_cpus_that_are_slow(pod: Pod) -> None:
    ended = pod.run("cpu", **(SHORT | {"CPU_MIN_MIBS": 10**7}))
    assert ended.code == 1
    assert "less than 1e+07 MiB/s" in ended.reason


@contextmanager
def a_server(ahead: float) -> Iterator[str]:
    """One whose clock is off by so many seconds."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(403)
            # Cut to the second, as an HTTP date is.
            self.send_header("Date", formatdate(int(time.time() + ahead), usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/version"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_a_clock_that_is_right(pod: Pod) -> None:
    with a_server(0) as url:
        ended = pod.run("clock", CLOCK_URL=url)
    assert ended.code == 0, ended.output
    assert abs(ended.rows["clock"]["value"]) < 0.3
    assert ended.rows["clock-sync"]["value"] in ("yes", "no", "?")


@pytest.mark.slow
@pytest.mark.parametrize(("ahead", "said"), [(3.5, "behind"), (-90.0, "ahead of")])
def test_a_clock_that_is_off_to_a_fraction_of_a_second(pod: Pod, ahead: float, said: str) -> None:
    with a_server(ahead) as url:
        ended = pod.run("clock", CLOCK_URL=url)
    assert ended.code == 1
    assert ended.rows["clock"]["value"] == pytest.approx(-ahead, abs=0.3)
    assert f" {said} http://127.0.0.1" in ended.reason


def test_a_server_that_is_away_could_not_be_asked(pod: Pod) -> None:
    ended = pod.run("clock", CLOCK_URL="http://127.0.0.1:1/")
    assert ended.code == 2
    assert "could not be asked" in ended.reason


def test_nobody_to_ask(pod: Pod) -> None:
    assert "there is no CLOCK_URL" in pod.run("clock").reason

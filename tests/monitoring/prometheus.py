"""A real Prometheus, and its promtool: Debian's package, a data directory of its own, a free loopback port."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.postgresql import free_port, install

#: Seconds that a busy machine may take to start it.
_STARTS = 120


def promtool(*arguments: str | Path, given: str = "") -> str:
    """What it prints; an assertion where it fails."""
    _installed()
    done = subprocess.run(["promtool", *arguments], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Prometheus:
    """A server that runs: `series` is what a query finds now."""

    def __init__(self, url: str) -> None:
        self.url = url

    def series(self, query: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=60)
        assert answer.status_code == 200, f"{query}: {answer.text}"
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found


@contextmanager
def running(folder: Path, scrape: dict[str, Any]) -> Iterator[Prometheus]:
    """One that scrapes as that says, for the length of the block."""
    _installed()
    settings = folder / "prometheus.yml"
    settings.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]}))
    port, log = free_port(), folder / "prometheus.log"
    options = {
        "config.file": settings,
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            found = Prometheus(f"http://127.0.0.1:{port}")
            _wait_until_ready(found.url, process, log)
            yield found
        finally:
            process.kill()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _STARTS
    while True:
        try:
            if httpx.get(f"{url}/-/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def _installed() -> None:
    install("prometheus", is_there=lambda: shutil.which("promtool") is not None)

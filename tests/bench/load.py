"""HTTP requests one after another on kept connections, each timed from the first byte out to the last byte in."""

import http.client
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

WARM_UP = 10
#: An answer that takes longer is given up.
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Target:
    """A server and who asks it."""

    url: str
    token: str = ""

    def connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)

    def get(self, path: str) -> bytes:
        connection = self.connect()
        try:
            return self.ask(connection, path)
        finally:
            connection.close()

    def ask(self, connection: http.client.HTTPConnection, path: str) -> bytes:
        """The answer's body.

        Raises:
            RuntimeError: it is not 200: a benchmark of errors is none.
        """
        connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"} if self.token else {})
        response = connection.getresponse()
        body = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"{path} answers {response.status}: {body[:300].decode(errors='replace')}")
        return body


def measure(
    target: Target, paths: Sequence[str], requests: int, concurrency: int = 1, seconds: float = 600
) -> list[float]:
    """Milliseconds of each of `requests` answers, fewer where they take more than `seconds`; the paths take turns."""
    deadline = time.monotonic() + seconds

    def run(worker: int) -> list[float]:
        connection = target.connect()
        mine = range(worker, requests, concurrency)
        for number in mine[: max(1, WARM_UP // concurrency)]:
            target.ask(connection, paths[number % len(paths)])
        times: list[float] = []
        for number in mine:
            if times and time.monotonic() > deadline:
                break
            began = time.perf_counter()
            target.ask(connection, paths[number % len(paths)])
            times.append((time.perf_counter() - began) * 1000)
        connection.close()
        return times

    with ThreadPoolExecutor(concurrency) as pool:
        return [answer for worker in pool.map(run, range(concurrency)) for answer in worker]

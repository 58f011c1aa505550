"""A job from now to its end, seen by asking again: what has changed, and connections that break meanwhile."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from opsjobs_cli.complaints import InterruptedByPersonError, UnreachableError, WaitedTooLongError
from opsjobs_cli.exit_status import ExitCode
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.printing import note
from opsjobs_cli.service_client import Service, job_path

Job = dict[str, Any]

FINAL = frozenset({"Succeeded", "Failed"})
#: Seconds between two looks: at first, and at most. An answer that has not changed is a few bytes.
_SOON, _LATE = 1.0, 5.0
#: Each look that finds nothing new makes the next one later by this.
_SLOWER = 1.2
#: Seconds without an answer, after which a person should look why; the job goes on.
_OUTAGE = 600.0


@dataclass(frozen=True)
class Following:
    """`within`: seconds until the command, not the job, gives up; None: it does not."""

    service: Service
    job_id: str
    within: float | None = None

    def states(self) -> Iterator[Job]:
        """The job as it is, whenever it has changed, until it has ended.

        Raises:
            WaitedTooLongError: the job goes on; the message says how to come back.
            UnreachableError: the service was away for ten minutes.
        """
        until = None if self.within is None else time.monotonic() + self.within
        pause, etag, lost_at = _SOON, "", 0.0
        while True:
            try:
                answer = self.service.get(job_path(self.job_id), etag=etag, tries=1)
            except UnreachableError as error:
                lost_at = self._lost(lost_at, error)
            else:
                lost_at = _back(lost_at)
                pause = min(pause * _SLOWER, _LATE)
                if answer.status_code != HTTPStatus.NOT_MODIFIED:
                    etag, job, pause = answer.headers.get("ETag", ""), answer.json(), _SOON
                    yield job
                    if job["phase"] in FINAL:
                        return
            self._sleep(pause, until)

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Whoever presses Ctrl-C leaves the job running, and is told how to come back."""
        try:
            yield
        except KeyboardInterrupt:
            raise InterruptedByPersonError(f"not waiting any more. {self._how_to_come_back()}") from None

    def _sleep(self, pause: float, until: float | None) -> None:
        if until is None:
            time.sleep(pause)
            return
        left = until - time.monotonic()
        if left <= 0:
            raise WaitedTooLongError(f"not ended after {self.within:g} s. {self._how_to_come_back()}")
        time.sleep(min(pause, left))

    def _lost(self, since: float, error: UnreachableError) -> float:
        now = time.monotonic()
        if not since:
            note(f"{error}; the job goes on, trying again …")
            return now
        if now - since > _OUTAGE:
            raise UnreachableError(f"{error}, for {_OUTAGE:g} s. {self._how_to_come_back()}")
        return since

    def _how_to_come_back(self) -> str:
        job_id = neutral(self.job_id)
        return f"The job goes on: opsjobs watch {job_id} follows it, opsjobs stop {job_id} ends it."


def _back(lost_at: float) -> float:
    if lost_at:
        note("the service answers again")
    return 0.0


def exit_code(job: Job) -> ExitCode:
    """A wait ends as the job."""
    return ExitCode.SUCCEEDED if job["phase"] == "Succeeded" else ExitCode.FAILED

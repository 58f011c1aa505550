"""A job from now to its end: by its events, or by asking again where the service has none."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from opsjobs_cli.complaints import InterruptedByPersonError, RefusedError, UnreachableError, WaitedTooLongError
from opsjobs_cli.exit_status import ExitCode
from opsjobs_cli.job_state import JobState
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.outage import PATIENCE, Outage
from opsjobs_cli.refusals import lacks_call
from opsjobs_cli.service_client import SILENCE, Service, job_path
from opsjobs_cli.unbroken_stream import UnbrokenStream

Job = dict[str, Any]

FINAL = frozenset({"Succeeded", "Failed"})
#: Seconds between two looks: at first, and at most. An answer that has not changed is a few bytes.
_SOON, _LATE = 1.0, 5.0
#: Each look that finds nothing new makes the next one later by this.
_SLOWER = 1.2
#: Seconds between two signs of life of a stream, and some: so close to its end a wait looks by itself.
_SIGN_OF_LIFE = 20.0
#: After so many connections in a row that brought nothing, it is asked instead.
_BARREN = 3


@dataclass
class Following:
    """`within`: seconds until the command, not the job, gives up; None: it does not."""

    service: Service
    job_id: str
    within: float | None = None
    outage: Outage = field(init=False)
    _etag: str = field(default="", init=False)
    _until: float = field(init=False)
    #: Connections in a row that brought nothing.
    _barren: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._until = float("inf") if self.within is None else time.monotonic() + self.within
        self.outage = Outage(PATIENCE, self.how_to_come_back)

    @property
    def how_to_come_back(self) -> str:
        job_id = neutral(self.job_id)
        return f"The job goes on: opsjobs watch {job_id} follows it, opsjobs stop {job_id} ends it."

    def states(self) -> Iterator[Job]:
        """The job as it is, whenever it has changed, until it has ended.

        Raises:
            WaitedTooLongError: the job goes on; the message says how to come back.
            UnreachableError: the service was away for ten minutes.
        """
        streaming, pause = True, _SOON
        while True:
            if streaming and self._left > _SIGN_OF_LIFE:
                streaming = yield from self._streamed()
            # The end of a job is asked for, too: its outputs are no events.
            job = self._look()
            if job:
                yield job
                if job["phase"] in FINAL:
                    return
            pause = _SOON if job or streaming else min(pause * _SLOWER, _LATE)
            self._sleep(pause)

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Whoever presses Ctrl-C leaves the job running, and is told how to come back."""
        try:
            yield
        except KeyboardInterrupt:
            raise InterruptedByPersonError(f"not waiting any more. {self.how_to_come_back}") from None

    @property
    def _left(self) -> float:
        return self._until - time.monotonic()

    def _streamed(self) -> Generator[Job, None, bool]:
        """The states of one connection; returns whether another is worth a try."""
        state = JobState()
        self._barren += 1
        try:
            yield from self._connection(state)
        except RefusedError as error:
            if not lacks_call(error):
                raise
            return False
        except UnreachableError as error:
            if error.status == HTTPStatus.TOO_MANY_REQUESTS:
                return False
        if state.job:
            self._barren = 0
        # Where nothing ever comes they are held up on their way, by a proxy that waits for the whole.
        return self._barren < _BARREN

    def _connection(self, state: JobState) -> Iterator[Job]:
        path = job_path(self.job_id, "events")
        stream = UnbrokenStream(self.service, path, {}, self.outage, silence=self.silence)
        looked = 0.0
        with closing(stream.connection()) as batches:
            for batch in batches:
                for event in batch:
                    if state.take(event):
                        yield state.job
                # What a rollout waits for is no event; whatever happens, it may have gone on.
                if "rollout" in state.job and time.monotonic() - looked > _SOON:
                    looked = time.monotonic()
                    if job := self._look():
                        state.whole(job)
                        yield job
                if stream.ended or self._left < _SIGN_OF_LIFE:
                    return

    def _look(self) -> Job | None:
        """The job where it is another than at the last look; None: it is not, or the service did not answer."""
        try:
            answer = self.service.get(job_path(self.job_id), etag=self._etag, tries=1)
        except UnreachableError as error:
            self.outage.failed(error)
            return None
        self.outage.over()
        if answer.status_code == HTTPStatus.NOT_MODIFIED:
            return None
        self._etag = answer.headers.get("ETag", "")
        found: Job = answer.json()
        return found

    def silence(self) -> float:
        """Seconds for which a stream may bring nothing; not longer than this waits."""
        return max(0.1, min(SILENCE, self._left))

    def in_time(self) -> None:
        """Nothing, or where the time is over WaitedTooLongError: the job goes on."""
        if self._left <= 0:
            raise WaitedTooLongError(f"not ended after {self.within:g} s. {self.how_to_come_back}")

    def _sleep(self, pause: float) -> None:
        self.in_time()
        time.sleep(min(pause, self._left))


def exit_code(job: Job) -> ExitCode:
    """A wait ends as the job."""
    return ExitCode.SUCCEEDED if job["phase"] == "Succeeded" else ExitCode.FAILED

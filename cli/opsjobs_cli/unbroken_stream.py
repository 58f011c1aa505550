"""A stream of the service from now to its `end`, over connections that break and services that are restarted."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field

from opsjobs_cli.complaints import UnreachableError
from opsjobs_cli.event_reading import Event, batches
from opsjobs_cli.outage import Outage
from opsjobs_cli.service_client import SILENCE, Service

#: The event after which nothing comes.
END = "end"
#: Seconds between two connections, at first and at most.
_SOON, _LATE = 0.5, 5.0


@dataclass
class UnbrokenStream:
    """`last_id`: of the last event that came. It is what a new connection goes on after."""

    service: Service
    path: str
    params: Mapping[str, str]
    outage: Outage
    last_id: str = ""
    #: Returns the seconds without a byte after which a connection counts as broken.
    silence: Callable[[], float] = lambda: SILENCE
    ended: bool = field(default=False, init=False)

    def batches(self) -> Iterator[list[Event]]:
        """Events, as many as came together; an empty list where there are none, and the caller may have waited enough.

        Raises:
            RefusedError: the service does not give it.
            UnreachableError: the service was away for too long.
        """
        pause = _SOON
        while True:
            try:
                for batch in self.connection():
                    pause = _SOON
                    yield batch
                    if self.ended:
                        return
            except UnreachableError as error:
                self.outage.failed(error)
                yield []
            time.sleep(pause)
            pause = min(pause * 2, _LATE)

    def connection(self) -> Generator[list[Event], None, None]:
        """The same of one connection, which ends whenever the service likes.

        Raises:
            RefusedError: as above.
            UnreachableError: it could not be made, or broke.
        """
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        with self.service.events(self.path, self.params, headers, self.silence()) as answer:
            self.outage.over()
            for batch in batches(answer.iter_bytes()):
                if batch:
                    self.last_id = batch[-1].id or self.last_id
                    self.ended = batch[-1].name == END
                yield batch

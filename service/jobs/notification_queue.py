"""Notifications that wait for their receivers, in the store: a part of the port service.jobs.ports.Records."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from service.domain.notification import Message, Notification

#: What could not be delivered for so long is dropped.
KEPT = timedelta(days=1)
#: What was told is remembered for longer than that: the same is not told again.
REMEMBERED = timedelta(days=3)
#: Notifications that wait for one receiver; beyond, the oldest are dropped.
MOST_WAITING = 10_000


@dataclass(frozen=True, slots=True)
class Queued:
    """A notification in its turn. `number` and `key` stay the same however often it is tried."""

    number: int
    key: str
    tries: int
    created: datetime
    message: Message


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for a receiver: how many, since when, and how often the one that failed most was tried."""

    waiting: int
    oldest: datetime
    tries: int


class NotificationQueue(Protocol):
    """Every method raises UnavailableError when the store does not answer. All are of that cluster's notifications."""

    async def enqueue(self, cluster_id: str, notifications: Iterable[Notification], now: datetime) -> None:
        """Those whose occasion was not told before."""
        ...

    async def next_notification(self, cluster_id: str, receiver: str, now: datetime) -> Queued | None:
        """The one that is due since longest; none of a job of which an older one waits."""
        ...

    async def settle_notification(self, number: int) -> None:
        """It was delivered, or never will be."""
        ...

    async def postpone_notification(self, number: int, due: datetime) -> None:
        """It was tried once more, and is not tried before then."""
        ...

    async def drop_notifications(self, cluster_id: str, receivers: Collection[str], now: datetime) -> Mapping[str, int]:
        """Give up what waited too long, or is too much; forget what was told long ago, and other receivers.

        Returns how many were given up, by receiver.
        """
        ...

    async def backlogs(self, cluster_id: str) -> Mapping[str, Backlog]:
        """Of each receiver for whom anything waits."""
        ...

    async def gone_addresses(self, cluster_id: str) -> Mapping[str, str]:
        """Receivers that said that they are gone, and the hash of the address at which they said it."""
        ...

    async def note_gone(self, cluster_id: str, receiver: str, address: str) -> None: ...


class Sender(Protocol):
    """Delivers a message. Never raises for what a receiver does; no address is in what it returns."""

    def address(self, receiver: str) -> str:
        """A hash of where that receiver is now; empty: that is not known."""
        ...

    async def send(self, receiver: str, key: str, body: bytes, *, plain_http: bool) -> "Sent": ...


@dataclass(frozen=True, slots=True)
class Sent:
    """How a try went. `failure` empty: it was delivered."""

    failure: str = ""
    #: 410: not to be tried again at that address.
    gone: bool = False
    #: What the receiver asked for, in seconds.
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class NotificationState:
    """What a person should know of receivers that are not told everything at once."""

    queue: NotificationQueue
    sender: Sender
    receivers: Sequence[str]
    cluster_id: str

    async def conditions(self) -> list[str]:
        """A line for each of them; none: all is well."""
        if not self.receivers:
            return []
        backlogs = await self.queue.backlogs(self.cluster_id)
        gone = await self.queue.gone_addresses(self.cluster_id)
        lines = []
        for name in self.receivers:
            backlog = backlogs.get(name)
            if name in gone and gone[name] == self.sender.address(name):
                lines.append(f"receiver {name}: it said that it is gone (410); nothing is sent until its URL changes")
            elif backlog and backlog.tries:
                since = backlog.oldest.isoformat(timespec="seconds")
                lines.append(f"receiver {name}: fails; {backlog.waiting} notifications wait, the oldest since {since}")
        return lines

"""What the leader does for notifications: deliver what waits, and look for what no change of a record tells.

At least once and in order for each job; again and again for a day; nothing of it holds up a job.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog

from service.domain.happenings import left_cordoned, waits
from service.domain.notification import body, to_receivers
from service.domain.receiver import Kind, Receiver
from service.jobs.node_events import NodeEvents
from service.jobs.notification_queue import KEPT, Queued, Sender, Sent
from service.jobs.ports import Cluster, Records, UnavailableError
from service.metrics import NOTIFICATIONS

log = structlog.get_logger()

#: Seconds between two looks at what waits, and between two for what no change of a record tells.
LOOK = 1.0
LOOK_AROUND = 60.0
#: Seconds after which a notification is tried again: twice as long each time, up to the second.
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 3600.0
#: The same between any two tries of a receiver that fails.
_REST, _LONGEST_REST = 1.0, 300.0
_MOST_DOUBLINGS = 12


class Notifier:
    """One task for each receiver: one that hangs keeps no other waiting."""

    def __init__(  # noqa: PLR0913 - what it works with, and three settings
        self,
        records: Records,
        cluster: Cluster,
        sender: Sender,
        receivers: Sequence[Receiver],
        *,
        cluster_id: str,
        external_url: str = "",
        events: NodeEvents | None = None,
    ) -> None:
        self._records, self._cluster, self._sender = records, cluster, sender
        self._receivers = receivers
        self._cluster_id = cluster_id
        self._external_url = external_url
        self._events = events

    async def run(self) -> None:
        """Deliver and look around, for ever."""
        async with asyncio.TaskGroup() as group:
            for receiver in self._receivers:
                group.create_task(self._serve(receiver))
            group.create_task(self._keep_looking())

    async def _serve(self, receiver: Receiver) -> None:
        failures = 0
        while True:
            try:
                sent = await self.deliver_next(receiver)
            except UnavailableError as error:
                log.warning("notifications wait for the store", receiver=receiver.name, reason=str(error))
                sent = None
            except Exception:
                log.exception("a notification could not be delivered", receiver=receiver.name)
                sent = Sent("a fault of ours")
            if sent is None:
                await asyncio.sleep(LOOK)
            elif sent.failure:
                failures += 1
                await asyncio.sleep(max(sent.retry_after, _doubled(_REST, _LONGEST_REST, failures - 1)))
            else:
                failures = 0

    async def deliver_next(self, receiver: Receiver) -> Sent | None:
        """Try the notification whose turn it is; None: there is none, or the receiver is gone."""
        queued = await self._records.next_notification(self._cluster_id, receiver.name, datetime.now(UTC))
        if queued is None:
            return None
        address = self._sender.address(receiver.name)
        if address and (await self._records.gone_addresses(self._cluster_id)).get(receiver.name) == address:
            return None
        content = body(queued.message, receiver.format, self._external_url)
        sent = await self._sender.send(receiver.name, queued.key, content, plain_http=receiver.plain_http)
        await self._note(receiver, queued, sent, address)
        return sent

    async def _note(self, receiver: Receiver, queued: Queued, sent: Sent, address: str) -> None:
        about = {"receiver": receiver.name, "job_id": queued.message.job_id, "kind": queued.message.kind.value}
        if not sent.failure:
            NOTIFICATIONS.labels(receiver.name, "delivered").inc()
            await self._records.settle_notification(queued.number)
            log.info("notification delivered", **about)
            return
        NOTIFICATIONS.labels(receiver.name, "failed").inc()
        pause = max(sent.retry_after, _doubled(_FIRST_PAUSE, _LONGEST_PAUSE, queued.tries))
        await self._records.postpone_notification(queued.number, datetime.now(UTC) + timedelta(seconds=pause))
        log.warning("notification not delivered", reason=sent.failure, tries=queued.tries + 1, **about)
        if sent.gone and address:
            await self._records.note_gone(self._cluster_id, receiver.name, address)

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self.look_around()
            except UnavailableError as error:
                log.warning("a look around for notifications was cut short", reason=str(error))
            except Exception:
                log.exception("a look around for notifications failed")
            await asyncio.sleep(LOOK_AROUND)

    async def look_around(self) -> None:
        """Give up what is too old; find jobs that wait for long, and nodes that ended jobs left cordoned."""
        now = datetime.now(UTC)
        names = [receiver.name for receiver in self._receivers]
        for name, count in (await self._records.drop_notifications(self._cluster_id, names, now)).items():
            NOTIFICATIONS.labels(name, "dropped").inc(count)
            log.warning("notifications were dropped", receiver=name, count=count)
        if any(Kind.WAITS in receiver.events for receiver in self._receivers):
            await self._tell_of_waits()
        await self._tell_of_cordons(now)

    async def _tell_of_waits(self) -> None:
        now = self._cluster.now()
        for job_id in await self._records.unfinished(self._cluster_id):
            job = await self._records.get(job_id, texts=False)
            for receiver in self._receivers if job else ():
                if job and (happening := waits(job, now, timedelta(seconds=receiver.wait_seconds))):
                    found = to_receivers([receiver], happening, job, now)
                    await self._records.enqueue(self._cluster_id, found, datetime.now(UTC))

    async def _tell_of_cordons(self, now: datetime) -> None:
        """Of jobs that ended within the day: what was told is remembered for longer."""
        for node, job_id in (await self._cluster.left_cordoned()).items():
            job = await self._records.get(job_id, texts=False)
            if job and job.cluster_id == self._cluster_id and job.ended and now - job.ended < KEPT:
                happening = left_cordoned(node)
                await self._records.enqueue(self._cluster_id, to_receivers(self._receivers, happening, job, now), now)
                if self._events:
                    self._events.put_left_cordoned(node, job_id, happening.sentence)


def _doubled(first: float, most: float, times: int) -> float:
    return float(min(most, first * 2 ** min(times, _MOST_DOUBLINGS)))

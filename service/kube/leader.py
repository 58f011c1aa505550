"""One writer among several replicas.

The client's own leader election is not used: it dies of a dropped connection, its requests may hang for minutes while
the work goes on past the lease, and does not notice when the work itself fails.
"""

import asyncio
import secrets
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from service.jobs.ports import UnavailableError
from service.kube.client import Api, ConflictError, KubeSettings, Object
from workflow_templates.protocol.api_path import api_path, object_path

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Terms:
    """All in seconds.

    Another replica may begin `lease` after the last renewal that it can have seen. The work is cancelled once the last
    renewal that succeeded was asked for `renewal` ago, whatever the leader waits for then, and has `ending` to end.

    Raises:
        ValueError: `renewal` + `ending` is not below `lease`: two replicas could work at the same time.
    """

    lease: float = 15
    renewal: float = 9
    retry: float = 2
    request: float = 4
    ending: float = 5

    def __post_init__(self) -> None:
        if self.renewal + self.ending >= self.lease:
            raise ValueError(f"a leader with {self} may still work when the next one begins")


#: What stands for the resourceVersion of a Lease that was removed while another held it.
_REMOVED = "removed"
#: What stands for it while this replica does not lead: another may hold the Lease unseen, even one that is removed.
_LOST = "lost"


class KubeLeader:
    """Holds the Lease `opsjobs-leader` in the service's namespace. Clocks of other machines are never trusted."""

    def __init__(
        self, api: Api, settings: KubeSettings, terms: Terms | None = None, name: str = "opsjobs-leader"
    ) -> None:
        self._api = api
        self._terms = terms or Terms()
        self._name = name
        self._collection = api_path("coordination.k8s.io/v1", "leases", namespace=settings.namespace)
        self._path = object_path(self._collection, name)
        self.identity = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._seen = ""  # resourceVersion of the Lease when another held it; empty: this one held it
        self._seen_at = 0.0

    async def lead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """For ever: wait for the Lease, run `work()` while it is ours, cancel it when the Lease is lost.

        Work that ends or fails is begun again. When this is cancelled the Lease is given back at once.
        """
        while True:
            try:
                await self._lead_once(work)
            except Exception:
                # A replica that stopped trying would answer requests for ever and never project a Workflow again.
                log.exception("the leader's Lease is not understood and is tried again", lease=self._path)
                await asyncio.sleep(self._terms.retry)

    async def _lead_once(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while (held_at := await self._try_to_hold(self._terms.request)) is None:
            self._seen = self._seen or _LOST
            await asyncio.sleep(self._terms.retry)
        log.info("leading", identity=self.identity)
        try:
            await self._while_held(work, held_at)
        except asyncio.CancelledError:
            await self._give_back()
            raise
        self._seen = self._seen or _LOST
        log.warning("no longer leading", identity=self.identity)

    async def _while_held(self, work: Callable[[], Coroutine[Any, Any, None]], held_at: float) -> None:
        task = asyncio.create_task(_again_and_again(work))
        try:
            while (left := held_at + self._terms.renewal - _now()) > 0:
                await asyncio.sleep(min(self._terms.retry, left))
                left = held_at + self._terms.renewal - _now()
                renewed_at = await self._try_to_hold(min(self._terms.request, left)) if left > 0 else None
                if renewed_at is not None:
                    held_at = renewed_at
                elif self._seen:
                    return  # another has it
        finally:
            await self._end(task)

    async def _end(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        _, working = await asyncio.wait([task], timeout=self._terms.ending)
        if working:
            log.error("the leader's work did not end in time: another replica may work beside it", limit=self._terms)
            await asyncio.wait([task])

    async def _try_to_hold(self, seconds: float) -> float | None:
        """Take or renew the Lease; None: another holds it, or the apiserver did not answer in so many seconds.

        Returns the time before it was asked for: another replica counts from some moment after that.
        """
        asked_at = _now()
        try:
            async with asyncio.timeout(seconds):
                return asked_at if await self._hold() else None
        except ConflictError:
            return None
        except (UnavailableError, TimeoutError) as error:
            log.warning("leader lease cannot be renewed", cause=str(error) or "no answer in time")
            return None

    async def _hold(self) -> bool:
        lease = await self._api.get(self._path)
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        if lease is None:
            if self._seen and not self._ran_out(_REMOVED, self._terms.lease):
                return False  # its holder may work until it would have run out
            await self._api.create(self._collection, self._new_lease(now))
            self._seen = ""
            return True
        spec = lease["spec"] = lease.get("spec") or {}
        if spec.get("holderIdentity") == self.identity:
            spec["renewTime"] = now
        elif self._free(lease):
            spec.update(self._held_since(now), leaseTransitions=(spec.get("leaseTransitions") or 0) + 1)
        else:
            return False
        held = await self._api.replace(self._path, lease) is not None
        self._seen = ""
        return held

    def _free(self, lease: Object) -> bool:
        """Without a holder, or not renewed for as long as it lasts, by our own clock."""
        if not lease["spec"].get("holderIdentity"):
            return True
        lasts = float(lease["spec"].get("leaseDurationSeconds") or self._terms.lease)
        return self._ran_out(lease["metadata"]["resourceVersion"], lasts)

    def _ran_out(self, version: str, lasts: float) -> bool:
        """Whether the Lease was seen at that version, and no other, for longer than it lasts."""
        if version != self._seen:
            self._seen, self._seen_at = version, _now()
        return _now() - self._seen_at > lasts

    def _held_since(self, now: str) -> Object:
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._terms.lease)),
            "acquireTime": now,
            "renewTime": now,
        }

    def _new_lease(self, now: str) -> Object:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": {**self._held_since(now), "leaseTransitions": 0},
        }

    async def _give_back(self) -> None:
        def freed(lease: Object) -> Object | None:
            ours = (lease.get("spec") or {}).get("holderIdentity") == self.identity
            return {"spec": {"holderIdentity": ""}} if ours else None

        try:
            async with asyncio.timeout(self._terms.request):
                await self._api.change(self._path, freed)
        except (UnavailableError, TimeoutError) as error:
            log.warning("leader lease was not given back; it expires by itself", cause=str(error))


def _now() -> float:
    """Seconds of a clock that cannot be set."""
    return asyncio.get_running_loop().time()


async def _again_and_again(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        try:
            await work()
            log.warning("the leader's work ended by itself and is begun again")
        except Exception:
            log.exception("the leader's work failed and is begun again")
        await asyncio.sleep(1)

"""Storing the output of jobs that have ended, before their pods go (contract: Stored output; decision 0063)."""

import asyncio
import contextlib
import itertools
import math
import time
from collections.abc import Callable

import structlog

from service.domain.job import Job
from service.domain.job_output import Wanted
from service.domain.output_index import MOST_PACKS, index_key, pack_key
from service.jobs.masked_output import NotMaskableError, masking_of
from service.jobs.packing_output import OutputPacker
from service.jobs.ports import Records, StepOutput, UnavailableError
from service.jobs.reading_output import OutputReader
from service.jobs.reading_stored import read_index
from service.jobs.store_ports import NoSuchObjectError, RefusedByStoreError, StoredObjects

log = structlog.get_logger()

#: Jobs whose output is stored at the same time.
_AT_ONCE = 2
#: Seconds that the reading of one job may take; what was read by then is stored.
_READING_SECONDS = 600.0
#: A Workflow that is to go is held for so long while the store, or Kubernetes, is away.
PATIENCE_SECONDS = 300.0
AGAIN_SECONDS = 5.0
#: A store that refuses is not asked again for so long, and it is logged as often.
_REFUSED_SECONDS = 3_600.0
#: Tries after which what nodes do not answer is left out.
_WHOLE_TRIES = 2


class OutputStoring:
    """Of the replica that leads: the same job may be asked for again at any time, by another one too."""

    def __init__(self, records: Records, source: StepOutput, store: StoredObjects) -> None:
        self._records, self._source, self._store = records, source, store
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        #: Job → since when, by the monotonic clock.
        self._asked: dict[str, float] = {}
        self._done: set[str] = set()
        #: The store refused; it is not asked again so soon.
        self._refused_at = -math.inf
        #: Told of each job as soon as nothing more will be stored of it.
        self.on_done: Callable[[str], None] = lambda _job_id: None

    async def run(self) -> None:
        """Store what is asked for, for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._work())

    def is_done(self, job_id: str) -> bool:
        """Whether nothing more will be stored of a job that has ended; where it may be, it is begun with."""
        if job_id in self._done:
            return True
        if job_id not in self._asked:
            self._asked[job_id] = time.monotonic()
            self._waiting.put_nowait(job_id)
        return False

    def forget(self, job_id: str) -> None:
        """The job has no Workflow any more: it is not asked for again."""
        self._asked.pop(job_id, None)
        self._done.discard(job_id)

    async def remove(self, job_id: str) -> None:
        """Remove what is stored of a job, whose record is about to go.

        Raises:
            UnavailableError: the store is away, or refuses it.
        """
        index = await read_index(self._store, job_id)
        packs = index.packs if index else 0
        # A try to store that ended early has left packs that no index, or one with fewer of them, knows.
        while packs < MOST_PACKS and await self._is_there(pack_key(job_id, packs)):
            packs += 1
        for number in reversed(range(packs)):
            await self._store.delete(pack_key(job_id, number))
        if index or await self._is_there(index_key(job_id)):
            await self._store.delete(index_key(job_id))

    async def _work(self) -> None:
        while True:
            job_id = await self._waiting.get()
            await self._store_patiently(job_id)
            self._done.add(job_id)
            self.on_done(job_id)

    async def _store_patiently(self, job_id: str) -> None:
        # Also where it waited for its turn: of many jobs, none is held for the patience with all before it.
        end = self._asked.get(job_id, time.monotonic()) + PATIENCE_SECONDS
        for number in itertools.count(1):
            if await self._try(job_id, whole=number <= _WHOLE_TRIES, last=time.monotonic() > end):
                return
            await asyncio.sleep(AGAIN_SECONDS)

    async def _try(self, job_id: str, *, whole: bool, last: bool) -> bool:
        """Whether that was the last try."""
        try:
            if time.monotonic() - self._refused_at > _REFUSED_SECONDS:
                await self.store(job_id, whole=whole)
        except RefusedByStoreError as error:
            self._refused_at = time.monotonic()
            remedy = "let the key of objectStore.serviceSecret put and delete below output/, or unset storeOutput"
            log.warning("the output of jobs is not stored", job_id=job_id, reason=str(error), remedy=remedy)
        except UnavailableError as error:
            if not last:
                return False
            log.warning("the output of a job is not stored", job_id=job_id, reason=str(error))
        except Exception:
            # Its output is lost with its pods; the job, and all others, must come to their end.
            log.exception("the output of a job is not stored", job_id=job_id)
        return True

    async def store(self, job_id: str, *, whole: bool = False) -> None:
        """Store the output of a job whose Workflow has completed; what is stored already stays as it is.

        Raises:
            UnavailableError: Kubernetes, the records or the store are away, or a node where it is to be `whole`.
        """
        job = await self._records.get(job_id, texts=False)
        if job is None or await self._is_there(index_key(job_id)) or not (await self._source.step_pods(job_id)).pods:
            return
        try:
            await self._pack(job, whole=whole)
        except NotMaskableError as error:
            log.warning("the output of a job is not stored", job_id=job_id, reason=str(error))

    async def _is_there(self, key: str) -> bool:
        try:
            async with self._store.open(key, {"Range": "bytes=0-0"}):
                return True
        except (NoSuchObjectError, RefusedByStoreError):
            return False

    async def _pack(self, job: Job, *, whole: bool) -> None:
        async def write(number: int, pack: bytes) -> None:
            await self._store.put(pack_key(job.job_id, number), pack, "application/gzip")

        packer = OutputPacker(write)
        reader = OutputReader(
            source=self._source,
            job=job,
            wanted=Wanted(),
            masking=await masking_of(self._source, job),
            position=None,
            budget=contextlib.nullcontext,
        )
        try:
            async with asyncio.timeout(_READING_SECONDS):
                await reader.run(packer)
        except TimeoutError:
            log.warning("a part of a job's output is not stored: reading it takes too long", job_id=job.job_id)
        if whole and packer.unreachable:
            raise UnavailableError(f"{len(packer.unreachable)} pods of {job.job_id} do not answer")
        index = await packer.finish()
        if index.pods:
            await self._store.put(index_key(job.job_id), index.to_json(), "application/json")

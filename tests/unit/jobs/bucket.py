"""An object store in memory, as service.jobs.store_ports.StoredObjects."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from service.jobs.ports import UnavailableError
from service.jobs.store_ports import NoSuchObjectError, RefusedByStoreError, StoredObject


@dataclass
class Bucket:
    objects: dict[str, bytes] = field(default_factory=dict)
    away: bool = False
    #: Its key may not write.
    read_only: bool = False
    piece_bytes: int = 701
    asked: list[str] = field(default_factory=list)

    def key(self, address: str) -> str:
        return address.removeprefix("s3://opsjobs/")

    @asynccontextmanager
    async def open(self, key: str, headers: Mapping[str, str]) -> AsyncIterator[StoredObject]:
        self._ask("GET", key)
        if key not in self.objects:
            raise NoSuchObjectError(key)
        content, status = self.objects[key], HTTPStatus.OK
        if asked := re.fullmatch("bytes=([0-9]+)-([0-9]+)", headers.get("Range", "")):
            content, status = content[int(asked[1]) : int(asked[2]) + 1], HTTPStatus.PARTIAL_CONTENT

        async def pieces() -> AsyncIterator[bytes]:
            # Through the midst of gzip's own parts.
            for begin in range(0, len(content), self.piece_bytes):
                yield content[begin : begin + self.piece_bytes]

        yield StoredObject(status, {}, pieces())

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        assert content_type
        self._ask("PUT", key)
        self.objects[key] = content

    async def delete(self, key: str) -> None:
        self._ask("DELETE", key)
        self.objects.pop(key, None)

    def _ask(self, method: str, key: str) -> None:
        self.asked.append(f"{method} {key}")
        if self.away:
            raise UnavailableError("the object store does not answer")
        if self.read_only and method != "GET":
            raise RefusedByStoreError("the object store answered 403 AccessDenied")

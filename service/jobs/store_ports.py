"""The object store as the service needs it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from service.jobs.ports import UnavailableError


class NoSuchObjectError(Exception):
    """The object store does not have it (any more)."""


class RefusedByStoreError(UnavailableError):
    """The service's key may not do that: asking again does not help."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that is being read, or a range of it."""

    #: 200, 206 or 416.
    status: HTTPStatus
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


class StoredObjects(Protocol):
    """What jobs put into the object store. Every method raises UnavailableError when the store does not answer."""

    def key(self, address: str) -> str:
        """The key of what an output's value names; empty: it is no address in our store."""
        ...

    def open(self, key: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[StoredObject]:
        """An object to read; `headers`: which range of it.

        Raises:
            NoSuchObjectError: there is none.
        """
        ...

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        """Write an object, over one of that key.

        Raises:
            RefusedByStoreError: the service's key may read alone.
        """
        ...

    async def delete(self, key: str) -> None:
        """Absent: nothing.

        Raises:
            RefusedByStoreError: the service's key may not.
        """
        ...

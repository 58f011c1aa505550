"""The object store, with a key of the service's own: what jobs put there, and their output (docs/object-store.md)."""

import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import httpx
from pydantic import BaseModel

from service.jobs.ports import UnavailableError
from service.jobs.store_ports import NoSuchObjectError, RefusedByStoreError, StoredObject
from workflow_templates.protocol.sigv4 import Signer
from workflow_templates.protocol.store_location import StoreLocation

#: What is read of an answer that says what is wrong.
_MOST_OF_A_FAULT = 8 * 1024
_TIMEOUT = httpx.Timeout(30, connect=5)
#: What of its answer is handed on.
_HEADERS = ("content-length", "content-range", "etag", "last-modified", "accept-ranges")


class StoreSettings(BaseModel, frozen=True):
    """The chart's `objectStore`."""

    #: A folder with accessKey and secretKey, read for each request: keys may be renewed. None: nothing is read.
    secret: Path | None = None
    #: The authority of the store's certificate, where that is a private one.
    authority: Path | None = None
    endpoint: str = ""
    region: str = "us-east-1"
    bucket: str = ""
    prefix: str = ""
    path_style: bool = True
    #: Believe any certificate.
    insecure: bool = False
    #: Whether the output of jobs is stored there too, where the service has a key.
    store_output: bool = True


@asynccontextmanager
async def connect_store(settings: StoreSettings) -> AsyncIterator["ObjectStore | None"]:
    """The object store, where the service has a key of it."""
    if settings.secret is None:
        yield None
        return
    async with httpx.AsyncClient(verify=_trusted(settings), timeout=_TIMEOUT, trust_env=False) as http:
        yield ObjectStore(http, settings, settings.secret)


class ObjectStore:
    """Fills service.jobs.store_ports.StoredObjects."""

    def __init__(self, http: httpx.AsyncClient, settings: StoreSettings, secret: Path) -> None:
        self._http, self._secret, self._region = http, secret, settings.region
        self._location = StoreLocation(
            endpoint=settings.endpoint,
            bucket=settings.bucket,
            prefix=settings.prefix,
            path_style=settings.path_style,
        )

    def key(self, address: str) -> str:
        return self._location.key(address)

    @asynccontextmanager
    async def open(self, key: str, headers: Mapping[str, str]) -> AsyncIterator[StoredObject]:
        """As service.jobs.store_ports.StoredObjects says it."""
        url = self._location.url(key)
        signed = self._signer().headers("GET", url, headers, b"", datetime.now(UTC))
        try:
            # As it lies there: a range of what is packed on its way would be another.
            async with self._http.stream("GET", url, headers={**signed, "Accept-Encoding": "identity"}) as answer:
                if answer.status_code == HTTPStatus.NOT_FOUND:
                    raise NoSuchObjectError(f"the object store has no {key} any more")
                if answer.status_code not in (
                    HTTPStatus.OK,
                    HTTPStatus.PARTIAL_CONTENT,
                    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                ):
                    raise await _failure(answer, f"{key} was asked for")
                kept = {name: answer.headers[name] for name in _HEADERS if name in answer.headers}
                yield StoredObject(HTTPStatus(answer.status_code), kept, answer.aiter_raw(64 * 1024))
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise UnavailableError(f"the object store does not answer: {type(error).__name__}") from error

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        """As service.jobs.store_ports.StoredObjects says it."""
        await self._change("PUT", key, content, {"Content-Type": content_type, "Content-Length": str(len(content))})

    async def delete(self, key: str) -> None:
        """As service.jobs.store_ports.StoredObjects says it."""
        await self._change("DELETE", key, b"", {})

    async def _change(self, method: str, key: str, content: bytes, headers: Mapping[str, str]) -> None:
        url = self._location.url(key)
        signed = self._signer().headers(method, url, headers, content, datetime.now(UTC))
        body = _in_pieces(content) if content else None
        try:
            async with self._http.stream(method, url, headers=signed, content=body) as answer:
                if not (answer.is_success or (method == "DELETE" and answer.status_code == HTTPStatus.NOT_FOUND)):
                    raise await _failure(answer, f"it was sent {method} {key}")
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise UnavailableError(f"the object store does not answer: {type(error).__name__}") from error

    def _signer(self) -> Signer:
        try:
            access_key, secret_key = ((self._secret / name).read_text().strip() for name in ("accessKey", "secretKey"))
        except OSError as lacking:
            raise UnavailableError("the service has no key of the object store: see objectStore.serviceSecret") from (
                lacking
            )
        return Signer(access_key, secret_key, self._region)


async def _failure(answer: httpx.Response, when: str) -> UnavailableError:
    """What the store's answer means. Only the key's own rights are a refusal: a wrong key may be mended."""
    begin = b""
    async for piece in answer.aiter_bytes():
        begin += piece
        if len(begin) > _MOST_OF_A_FAULT:
            break
    found = re.search(rb"<Code>([A-Za-z]{1,64})</Code>", begin[:_MOST_OF_A_FAULT])
    code = found[1].decode() if found else ""
    kind = RefusedByStoreError if code in ("AccessDenied", "AllAccessDisabled") else UnavailableError
    return kind(f"the object store answered {answer.status_code} {code}".rstrip() + f" where {when}")


async def _in_pieces(content: bytes) -> AsyncIterator[bytes]:
    """Small ones: httpx ties requests in cycles, which stay in memory for a while, with the whole of it each."""
    view = memoryview(content)
    for begin in range(0, len(view), 64 * 1024):
        yield bytes(view[begin : begin + 64 * 1024])


def _trusted(settings: StoreSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.authority and settings.authority.exists():
        context.load_verify_locations(settings.authority)
    if settings.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context

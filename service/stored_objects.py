"""Reading from the object store what jobs put there, with a key of the service's own (docs/object-store.md)."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import httpx
from pydantic import BaseModel

from service.jobs.ports import NoSuchObjectError, StoredObject, UnavailableError
from workflow_templates.protocol.sigv4 import Signer
from workflow_templates.protocol.store_location import StoreLocation

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


@asynccontextmanager
async def connect_store(settings: StoreSettings) -> AsyncIterator["ObjectStoreReader | None"]:
    """The object store, where the service has a key of it."""
    if settings.secret is None:
        yield None
        return
    async with httpx.AsyncClient(verify=_trusted(settings), timeout=_TIMEOUT, trust_env=False) as http:
        yield ObjectStoreReader(http, settings, settings.secret)


class ObjectStoreReader:
    """Fills service.jobs.ports.StoredObjects."""

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
        """As service.jobs.ports.StoredObjects says it."""
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
                    raise UnavailableError(f"the object store answered {answer.status_code} where {key} was asked for")
                kept = {name: answer.headers[name] for name in _HEADERS if name in answer.headers}
                yield StoredObject(HTTPStatus(answer.status_code), kept, answer.aiter_raw(64 * 1024))
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


def _trusted(settings: StoreSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.authority and settings.authority.exists():
        context.load_verify_locations(settings.authority)
    if settings.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context

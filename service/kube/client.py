"""How the service speaks to the apiserver: the official client's configuration, TLS and tokens; plain dicts in and out.

Objects stay dicts: the generated models refuse what a newer or custom object holds and cost more than the request.
"""

import asyncio
import asyncio.sslproto
import json
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config.config_exception import ConfigException
from pydantic import BaseModel, Field

from service.jobs.ports import RefusedByClusterError, UnavailableError
from service.metrics import KUBERNETES_REQUESTS
from workflow_templates.protocol import labels
from workflow_templates.protocol.api_path import plain

#: An answer that takes longer is none: routes wait for it.
ANSWER = aiohttp.ClientTimeout(total=10, connect=3)
#: Objects a LIST hands over at a time.
PAGE = 500
#: How often a change is tried again that another client's change overtook.
ATTEMPTS = 5
#: Asks for metadata only: a tenth of the bytes, a hundredth of a Workflow's.
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

#: Answers that do not change by themselves, as those about the service's own token (401) or a busy apiserver do.
_REFUSALS = (400, 403, 405, 413, 415, 422)

Object = dict[str, Any]
Query = Mapping[str, str | int]

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?")


class KubeSettings(BaseModel, frozen=True):
    namespace: str = "opsjobs"
    jobs_namespace: str = "opsjobs-jobs"
    checks_namespace: str = "opsjobs-checks"
    #: The audience a caller's token must carry.
    audience: str = "opsjobs"
    #: Label key on nodes and namespaces whose value is the workspace's id.
    workspace_label: str = labels.WORKSPACE
    #: Label keys on pods whose value is the name of their workload, for controllers that own no pod.
    workload_labels: tuple[str, ...] = ()
    #: ttlStrategy of jobs that name none.
    default_ttl_seconds: int = 86_400
    #: How long the step of an addon job may take to start on its node.
    start_seconds: int = 600
    #: Path of a kubeconfig; empty: the pod's ServiceAccount, or where there is none $KUBECONFIG.
    kubeconfig: str = Field(default_factory=lambda: os.environ.get("KUBECONFIG", ""))


class ApiError(UnavailableError):
    """The apiserver answered with an error; the message says what was asked, what it said, and what to do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ConflictError(ApiError):
    """409: it exists already, or another client changed it first."""


class GoneError(ApiError):
    """410: the resourceVersion or the continue token is too old."""


class RefusalError(ApiError, RefusedByClusterError):
    """A right, a quota, an admission rule or the object's own fault: the same again would be refused again."""


def is_label_value(text: str) -> bool:
    return _LABEL_VALUE.fullmatch(text) is not None


class Api:
    """The few verbs everything in this package uses. Every failure is an UnavailableError with a sentence."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        client.user_agent = "opsjobs"
        #: The apiserver's Date header of the last answer, and when that came by our own monotonic clock.
        self._date: datetime | None = None
        self._date_read = 0.0

    def now(self) -> datetime:
        """The time by the apiserver's clock, in whole seconds; our own before its first answer.

        Whatever is compared with a time that Kubernetes wrote is compared with this (docs/decisions/0042).
        """
        if self._date is None:
            return datetime.now(UTC)
        return self._date + timedelta(seconds=int(time.monotonic() - self._date_read))

    async def get(self, path: str, *, accept: str = "application/json") -> Object | None:
        """One object; None: there is none."""
        return await self._json("GET", path, accept=accept)

    async def list(self, path: str, query: Query | None = None, *, metadata: bool = False) -> AsyncIterator[Object]:
        """Every object of a collection, a page at a time; nothing when the collection's kind is not installed.

        Raises:
            GoneError: the walk took longer than the apiserver keeps the list; begin again.
        """
        async for page in self.pages(path, query, metadata=metadata):
            for item in page["items"] or ():  # an empty list of metadata comes as null
                yield item

    async def pages(self, path: str, query: Query | None = None, *, metadata: bool = False) -> AsyncIterator[Object]:
        """The same as the apiserver's answers, whose metadata.resourceVersion a watch goes on from."""
        rest = ""
        while True:
            asked = {**(query or {}), "limit": PAGE, **({"continue": rest} if rest else {})}
            accept = METADATA_LIST if metadata else "application/json"
            page = await self._json("GET", path, query=asked, accept=accept)
            if page is None:
                return
            yield {**page, "items": page.get("items") or []}  # metadata-only lists say null for none
            rest = page["metadata"].get("continue", "")
            if not rest:
                return

    async def create(self, path: str, body: Object) -> Object:
        """Create an object, or ask a review.

        Raises:
            ConflictError: it exists already.
        """
        answer = await self._json("POST", path, body=body)
        if answer is None:
            raise ApiError(
                404, f"Kubernetes has no {path}: its namespace or its kind is missing. Is the chart installed?"
            )
        return answer

    async def patch(self, path: str, patch: Object) -> Object | None:
        """JSON merge patch; None: there is no such object. With metadata.resourceVersion it is conditional.

        Raises:
            ConflictError: it is no longer at that resourceVersion.
        """
        return await self._json("PATCH", path, body=patch, content_type="application/merge-patch+json")

    async def change(
        self, path: str, change: Callable[[Object], Object | None], *, accept: str = "application/json"
    ) -> None:
        """Read, decide and patch, conditionally, and again when another client was faster. Absent: nothing.

        `change` returns the merge patch for the object as read, None when there is nothing to do.
        """
        for attempt in range(1, ATTEMPTS + 1):
            current = await self.get(path, accept=accept)
            patch = change(current) if current else None
            if current is None or patch is None:
                return
            version = {"resourceVersion": current["metadata"]["resourceVersion"]}
            try:
                await self.patch(path, {**patch, "metadata": {**patch.get("metadata", {}), **version}})
            except ConflictError:
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    async def replace(self, path: str, body: Object) -> Object | None:
        """Replace an object at the resourceVersion in it; None: there is none.

        Raises:
            ConflictError: it is no longer at that resourceVersion.
        """
        return await self._json("PUT", path, body=body)

    async def delete(self, path: str, options: Object | None = None) -> bool:
        """Delete an object; False: there was none.

        Raises:
            ConflictError: the preconditions in `options` do not hold.
        """
        return await self._json("DELETE", path, body=options) is not None

    async def lines(self, path: str, query: Query, *, accept: str, silence: float) -> AsyncIterator[bytes]:
        """An endless answer line by line; an UnavailableError when nothing comes for `silence` seconds."""
        timeout = aiohttp.ClientTimeout(total=None, connect=3, sock_read=silence)
        with _failures(f"GET {path}"):
            response = await self._send("GET", path, query=query, accept=accept, timeout=timeout)
            try:
                if response.status >= 400:  # noqa: PLR2004 - HTTP's border
                    raise _refusal("GET", path, response.status, await response.read())
                async for line in response.response.content:
                    yield line
            finally:
                response.response.close()

    async def pieces(self, path: str, query: Query, *, silence: float) -> AsyncGenerator[bytes, None]:
        """An answer as it comes, however long its lines; an UnavailableError when nothing comes for so long."""
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=silence)
        with _failures(f"GET {path}"):
            response = await self._send("GET", path, query=query, accept="*/*", timeout=timeout)
            try:
                if response.status >= 400:  # noqa: PLR2004 - HTTP's border
                    raise _refusal("GET", path, response.status, await response.read())
                async for piece in response.response.content.iter_any():
                    yield piece
            finally:
                response.response.close()

    async def close(self) -> None:
        await self._client.close()

    async def _json(  # noqa: PLR0913 - all of one request
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Object | None = None,
        accept: str = "application/json",
        content_type: str = "application/json",
    ) -> Object | None:
        with _failures(f"{method} {path}"):
            response = await self._send(
                method, path, query=query, body=body, accept=accept, content_type=content_type, timeout=ANSWER
            )
            data = await response.read()
        if response.status == 404:  # noqa: PLR2004 - not found
            return None
        if response.status >= 400:  # noqa: PLR2004 - HTTP's border
            raise _refusal(method, path, response.status, data)
        return _understood(f"{method} {path}", data)

    async def _send(  # noqa: PLR0913 - all of one request
        self,
        method: str,
        path: str,
        *,
        accept: str,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own, which also bounds the silence of a stream
        query: Query | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Any:
        resource = f"{plain(path)}?{urlencode(query)}" if query else plain(path)
        verb, url, headers, payload, _ = await self._client.param_serialize(
            method,
            resource,
            header_params={"Accept": accept, "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        code = "none"
        try:
            response = await self._client.call_api(verb, url, headers, payload, _request_timeout=timeout)
            code = str(response.status)
        finally:
            KUBERNETES_REQUESTS.labels(method, code).inc()
        self._note_time(response.getheader("Date"))
        return response

    def _note_time(self, date: str | None) -> None:
        try:
            self._date, self._date_read = parsedate_to_datetime(date or ""), time.monotonic()
        except ValueError:
            return  # something on the way strips the header


class _failures:  # noqa: N801 - a context manager that reads as a word
    """Turns every way a connection can fail into an UnavailableError."""

    def __init__(self, asked: str) -> None:
        self._asked = asked

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, TimeoutError):
            raise UnavailableError(f"Kubernetes does not answer in time ({self._asked})") from error
        if isinstance(error, (aiohttp.ClientError, OSError, ConfigException)):
            raise UnavailableError(f"Kubernetes cannot be reached ({self._asked}): {error}") from error


def _understood(asked: str, data: bytes) -> Object:
    try:
        answer = json.loads(data)
    except ValueError as error:
        raise UnavailableError(f"Kubernetes answers {asked} with what is no JSON: {data[:200]!r}") from error
    if not isinstance(answer, dict):
        raise UnavailableError(f"Kubernetes answers {asked} with what is no object: {data[:200]!r}")
    return answer


def _refusal(method: str, path: str, status: int, data: bytes) -> ApiError:
    try:
        said = json.loads(data).get("message") or ""
    except (ValueError, AttributeError):
        said = data[:200].decode(errors="replace")
    kinds: dict[int, type[ApiError]] = {409: ConflictError, 410: GoneError, **dict.fromkeys(_REFUSALS, RefusalError)}
    hints = {
        401: " The service's own token is not accepted: is its ServiceAccount still there?",
        403: " If it is a right that the service's ServiceAccount lacks: compare its roles with the chart's.",
        429: " The apiserver is busy: try again later.",
    }
    sentence = f"Kubernetes answers {status} to {method} {path}: {said}.{hints.get(status, '')}"
    return kinds.get(status, ApiError)(status, sentence)


#: Bytes that asyncio keeps for each connection to decrypt into. Its own 256 KiB are most of what a followed log takes.
_READ_BYTES = 16 * 1024


async def connect(settings: KubeSettings, connections: int = 32) -> Api:
    """A client of so many connections for the pod's own cluster, or for the one the kubeconfig names.

    Raises:
        UnavailableError: there is neither a ServiceAccount nor a usable kubeconfig.
    """
    asyncio.sslproto.SSLProtocol.max_size = _READ_BYTES
    configuration = Configuration()
    configuration.connection_pool_maxsize = connections
    try:
        if settings.kubeconfig or "KUBERNETES_SERVICE_HOST" not in os.environ:
            path = settings.kubeconfig or str(Path.home() / ".kube" / "config")
            await config.load_kube_config(config_file=path, client_configuration=configuration, persist_config=False)
        else:
            config.load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError, KeyError) as error:
        raise UnavailableError(
            f"No Kubernetes to talk to: {error}. Run in a pod with a ServiceAccount, or set KUBECONFIG to a file."
        ) from error
    return Api(ApiClient(configuration))

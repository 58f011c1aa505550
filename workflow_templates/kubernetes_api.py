"""The Kubernetes API as steps need it: a few calls that outlast an apiserver that is away for a while."""

import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from workflow_templates.protocol.api_path import BadNameError, api_path, plain

Object = dict[str, Any]

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PASSING = frozenset({429, 500, 502, 503, 504})
#: An apiserver that starts answers these to every client until it has read the cluster's rights (kubernetes#121635).
_PERHAPS_PASSING = frozenset({401, 403})
_PAGE = 500
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
#: The apiserver itself gives a kubelet 30 s to be reached, and then says which one was not.
_STREAMED = httpx.Timeout(60, connect=5)


class ClusterError(Exception):
    """The Kubernetes API did not do what was asked; the message is for a person."""


class UnavailableError(ClusterError):
    """It did not answer within the client's `patience`."""


class ConflictError(ClusterError):
    """Another client changed or created the object in between: read it again and decide again."""


class EvictionError(ClusterError):
    """A pod may not be evicted, at least for now; the message is that of the budget or the webhook that forbids it."""


class Cluster:
    """A client for one step. Every call is repeated while the API is away, for at most `patience` seconds."""

    def __init__(self, http: httpx.Client, namespace: str, *, token: Path | None = None, pause: float = 0.2) -> None:
        self.namespace = namespace
        self.patience = 300.0
        #: For what may pass, and may as well be a right that is really not there, which is to be reported soon.
        self.refusal_patience = 60.0
        self._http = http
        self._token = token
        self._pause = pause
        self._date: datetime | None = None
        self._date_read = 0.0

    @classmethod
    def in_pod(cls) -> "Cluster":
        """The cluster this pod runs in, as its ServiceAccount."""
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        if ":" in host:
            host = f"[{host}]"
        http = httpx.Client(
            base_url=f"https://{host}:{port}",
            verify=ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt")),
            timeout=httpx.Timeout(20, connect=5),
            trust_env=False,  # a proxy of the pod's environment is not for the cluster's own API
        )
        return cls(http, (_ACCOUNT / "namespace").read_text().strip(), token=_ACCOUNT / "token")

    def get(self, path: str, **query: str) -> Object | None:
        """The object, None where there is none."""
        return self._call("GET", path, params=query)

    def get_metadata(self, path: str) -> Object | None:
        """Only the object's metadata, None where there is none."""
        return self._call("GET", path, headers={"Accept": _METADATA})

    def list(self, path: str, **selectors: str) -> Iterator[Object]:
        """Every object that the selectors (labelSelector, fieldSelector) take, page by page."""
        params = {**selectors, "limit": str(_PAGE)}
        while True:
            page = self._call("GET", path, params=params) or {}
            yield from page.get("items") or ()
            following = page.get("metadata", {}).get("continue")
            if not following:
                return
            params["continue"] = following

    @contextmanager
    def stream(self, path: str, **params: str) -> Iterator[Iterator[bytes]]:
        """The bytes of a response as they come.

        It is asked for once, because what a second try means is for the reader of the first to say. Raises
        UnavailableError, also in the middle, and ClusterError where it is refused or is not there.
        """
        request = self._signed({"params": params, "headers": {"Accept-Encoding": "identity"}, "timeout": _STREAMED})
        try:
            with self._http.stream("GET", _plain(path), **request) as answer:
                if answer.is_error:
                    answer.read()
                    error = UnavailableError if answer.status_code in _PASSING else ClusterError
                    raise error(_reason(answer))
                yield answer.iter_raw()
        except httpx.TransportError as fault:
            raise UnavailableError(f"{type(fault).__name__}: {fault}") from fault

    def create(self, path: str, item: Object) -> None:
        """Raises ConflictError where it exists, which a repeated call of ours may have made itself."""
        self._call("POST", path, json=item)

    def patch(self, item: Object, path: str, change: Object) -> None:
        """Merge `change` into the object just read; raises ConflictError if it is no longer that version."""
        metadata = {**change.get("metadata", {}), "resourceVersion": item["metadata"]["resourceVersion"]}
        self._call(
            "PATCH",
            path,
            json={**change, "metadata": metadata},
            headers={"Content-Type": "application/merge-patch+json"},
        )

    def delete(self, item: Object, path: str) -> None:
        """Delete exactly the object just read; raises ConflictError if it changed, is content if it is gone."""
        exactly = {key: item["metadata"][key] for key in ("uid", "resourceVersion")}
        self._call("DELETE", path, json={"preconditions": exactly})

    def remove(self, path: str) -> None:
        """Delete whatever is there now, with the grace that it has itself; is content if nothing is."""
        self._call("DELETE", path)

    def evict(self, pod: Object) -> None:
        """Have the pod end by the eviction API; content if it is gone.

        A refusal is not waited out here: the caller has other pods to evict meanwhile.

        Raises:
            EvictionError: a PodDisruptionBudget, a webhook or a missing right forbids it.
        """
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": pod["metadata"]["uid"]}},
        }
        path = api_path("v1", "pods", namespace=namespace, name=name, subresource="eviction")
        answer = self._answer("POST", path, {"json": eviction}, passes=lambda _: False)
        if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.CONFLICT) or answer.is_success:
            _read("POST", path, answer)
            return
        raise EvictionError(_budget(answer) or _reason(answer))

    def now(self) -> datetime:
        """The time by the clock of the Kubernetes API, in whole seconds: hosts' clocks differ.

        Whatever is compared with a time that Kubernetes wrote is compared with this (docs/decisions/0042).
        """
        if self._date is None:
            self.get("/version")
        if self._date is None:  # something on the way strips the header
            return datetime.now(UTC)
        return self._date + timedelta(seconds=int(time.monotonic() - self._date_read))

    def _call(self, method: str, path: str, **request: Any) -> Object | None:
        return _read(method, path, self._answer(method, path, request, _may_pass))

    def _answer(
        self, method: str, path: str, request: Mapping[str, Any], passes: Callable[[httpx.Response], bool]
    ) -> httpx.Response:
        """The API's response; a request that may succeed later is repeated, for `patience` seconds."""
        asked, begun = _plain(path), time.monotonic()
        pause = self._pause
        while True:
            asked_to_wait, refused = 0.0, None
            try:
                answer = self._http.request(method, asked, **self._signed(request))
            except httpx.TransportError as fault:
                why = f"{type(fault).__name__}: {fault}"
            else:
                self._note_time(answer)
                if not passes(answer):
                    return answer
                refused = answer if _perhaps_passes(answer) else None
                why = _reason(answer)
                asked_to_wait = _retry_after(answer)
            wait = max(pause, asked_to_wait)
            patience = min(self.patience, self.refusal_patience) if refused else self.patience
            if time.monotonic() + wait > begun + patience:
                if refused:
                    return refused
                raise UnavailableError(f"the Kubernetes API did not answer {method} {path}: {why}")
            time.sleep(wait)
            pause = min(pause * 2, 5.0)

    def _note_time(self, answer: httpx.Response) -> None:
        if date := answer.headers.get("Date"):
            self._date, self._date_read = parsedate_to_datetime(date), time.monotonic()

    def _signed(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The kubelet renews the token in its file, so it is read each time."""
        if self._token is None:
            return dict(request)
        bearer = f"Bearer {self._token.read_text().strip()}"
        return {**request, "headers": {**request.get("headers", {}), "Authorization": bearer}}


def _plain(path: str) -> str:
    try:
        return plain(path)
    except BadNameError as error:
        raise ClusterError(str(error)) from None


def _read(method: str, path: str, answer: httpx.Response) -> Object | None:
    if answer.status_code == httpx.codes.NOT_FOUND:
        return None
    if answer.status_code == httpx.codes.CONFLICT:
        raise ConflictError(f"{method} {path}: {_reason(answer)}")
    if answer.is_error:
        raise ClusterError(f"the Kubernetes API refused {method} {path}: {_reason(answer)}")
    body: Object = answer.json()
    return body


def _reason(answer: httpx.Response) -> str:
    try:
        return f"{answer.status_code} {answer.json()['message']}"
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason_phrase}"


def _may_pass(answer: httpx.Response) -> bool:
    return answer.status_code in _PASSING or _perhaps_passes(answer)


def _perhaps_passes(answer: httpx.Response) -> bool:
    """A refusal that names its cause, such as a namespace that is being deleted, is meant."""
    return answer.status_code in _PERHAPS_PASSING and not _causes(answer)


def _budget(answer: httpx.Response) -> str:
    """What a PodDisruptionBudget says against an eviction; empty: the response is about something else."""
    if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
        return ""
    return "; ".join(cause.get("message", "") for cause in _causes(answer) if cause.get("reason") == "DisruptionBudget")


def _causes(answer: httpx.Response) -> list[Object]:
    try:
        return list(answer.json()["details"]["causes"] or ())
    except (ValueError, KeyError, TypeError):
        return []


def _retry_after(answer: httpx.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0

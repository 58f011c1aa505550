"""The service over HTTP: what is tried again, what ends the command, and with which words."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from opsjobs_cli import refusals
from opsjobs_cli.complaints import UnreachableError, UsageError
from opsjobs_cli.http_library import httpx
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.versions import AGENT
from opsjobs_cli.whereto import Whereto

if TYPE_CHECKING:
    from httpx import Client, Response

JOBS = "/api/v1/opsjobs"
#: How often a request is sent at most, and the pauses between, in seconds.
TRIES = 4
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
_TIMEOUT = 30.0
_CONNECT_TIMEOUT = 10.0
#: A stream has a sign of life every 15 s; after three of them that did not come, its connection is dead.
SILENCE = 45.0
_EVENTS = "text/event-stream"


class Service:
    """A service that is asked on behalf of one person; `note` is told what a person should know meanwhile.

    Every method raises RefusedError where the service refuses, and UnreachableError where it does not answer, in as
    many tries as there are. Whatever is sent here may be sent twice: a create carries an Idempotency-Key.
    """

    def __init__(self, whereto: Whereto, *, note: Callable[[str], None], transport: Any = None) -> None:
        self.whereto = whereto
        self._note = note
        self._token = ""
        self._extensions = {"sni_hostname": whereto.server_name} if whereto.server_name else {}
        self._client = _client(whereto, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self._client.close()

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, *, etag: str = "", tries: int = TRIES
    ) -> "Response":
        headers = {"If-None-Match": etag} if etag else {}
        return self._ask("GET", path, tries=tries, params=params, headers=headers)

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(job_path(job_id)).json()
        return found

    def post(
        self,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Response":
        content = {} if body is None else {"json": body}
        return self._ask("POST", path, params=params, headers=dict(headers or {}), **content)

    def put(self, path: str, body: Any) -> "Response":
        return self._ask("PUT", path, json=body)

    def delete(self, path: str) -> "Response":
        return self._ask("DELETE", path)

    @contextmanager
    def stream(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        also: Collection[int] = (),
        silence: float = _TIMEOUT,
    ) -> Iterator["Response"]:
        """An answer whose body is read while it comes; it is not tried again here.

        `also` are statuses that are no refusal; after `silence` seconds without a byte the connection counts as broken.
        """
        timeout = httpx().Timeout(_TIMEOUT, connect=_CONNECT_TIMEOUT, read=silence)
        try:
            answer = self._send("GET", path, stream=True, params=params, headers=dict(headers or {}), timeout=timeout)
        except httpx().TransportError as error:
            if not _is_no_use(error):
                self.whereto.reconnect()
            raise self._unreachable(error) from error
        try:
            if answer.status_code not in also and (answer.is_error or answer.is_redirect):
                answer.read()
                raise refusals.of(answer)
            yield answer
        except httpx().TransportError as error:
            raise self._unreachable(error) from error
        finally:
            answer.close()

    @contextmanager
    def events(
        self, path: str, params: Mapping[str, str], headers: Mapping[str, str], silence: float = SILENCE
    ) -> Iterator["Response"]:
        """A stream of server-sent events; what comes without one must at least be a comment."""
        with self.stream(path, params, {"Accept": _EVENTS, **headers}, silence=silence) as answer:
            if not answer.headers.get("Content-Type", "").startswith(_EVENTS):
                raise UnreachableError(f"{neutral(self.whereto.url)} sends no stream of events: is it the service?")
            yield answer

    def _ask(self, method: str, path: str, *, tries: int = TRIES, **what: Any) -> "Response":
        pause = _FIRST_PAUSE
        for left in reversed(range(tries)):
            try:
                answer = self._send(method, path, **what)
            except httpx().TransportError as error:
                if not _is_no_use(error):
                    self.whereto.reconnect()
                if not left or _is_no_use(error):
                    raise self._unreachable(error) from error
                why, wait = refusals.spoken(error), pause
            else:
                if not refusals.may_pass(answer):
                    return _accepted(answer)
                if not left:
                    raise refusals.of(answer)
                why, wait = f"it answers {answer.status_code}", refusals.retry_after(answer, pause)
            self._note(f"the service did not answer the request ({neutral(why)}); trying again")
            time.sleep(min(wait, _LONGEST_PAUSE))
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _send(self, method: str, path: str, *, stream: bool = False, **what: Any) -> "Response":
        answer = self._client.send(self._request(method, path, **what), stream=stream)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            before, self._token = self._token, ""
            request = self._request(method, path, **what)
            # Where the token comes from a file or a program, there may be a newer one by now.
            if self._token != before:
                answer.close()
                answer = self._client.send(request, stream=stream)
        return answer

    def _request(self, method: str, path: str, **what: Any) -> Any:
        self._token = self._token or self.whereto.token()
        headers = {"Authorization": f"Bearer {self._token}", **what.pop("headers", {})}
        try:
            return self._client.build_request(method, path, headers=headers, extensions=self._extensions, **what)
        except httpx().InvalidURL as error:
            raise UsageError(f"{self.whereto.url} is no address of a service: {error}") from error

    def _unreachable(self, error: Exception) -> UnreachableError:
        where = neutral(self.whereto.url)
        if _is_untrusted(error):
            return UnreachableError(
                f"the certificate of {where} is not trusted: {neutral(refusals.spoken(error))}. "
                "Name the authority that signed it with --ca-file (or OPSJOBS_CA_FILE)"
            )
        return UnreachableError(f"{where} is not reachable: {neutral(refusals.spoken(error))}")


def job_path(job_id: str, *further: str) -> str:
    """The path of a job. Its id is one segment, whatever it holds.

    Raises:
        UsageError: it cannot be an id: what follows it would be asked of another path.
    """
    from urllib.parse import quote

    if job_id in ("", ".", ".."):
        raise UsageError(f"{job_id!r} is no id of a job")
    return "/".join((JOBS, *(quote(part, safe="") for part in (job_id, *further))))


def _accepted(answer: "Response") -> "Response":
    if answer.is_success or answer.status_code == HTTPStatus.NOT_MODIFIED:
        return answer
    raise refusals.of(answer)


def _client(whereto: Whereto, transport: Any) -> "Client":
    import ssl

    # Without TLS no certificate is checked, and to read all authorities of a system takes 20 ms.
    encrypted = whereto.url.startswith("https:")
    trusted = (
        ssl.create_default_context(cafile=whereto.ca_file or None)
        if encrypted
        else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    timeout = httpx().Timeout(_TIMEOUT, connect=_CONNECT_TIMEOUT)
    # A proxy of the environment would be asked for this machine's own addresses, too.
    made: Client = httpx().Client(
        base_url=whereto.url,
        headers={"User-Agent": AGENT, "Accept": "application/json, application/problem+json"},
        verify=trusted,
        timeout=timeout,
        transport=transport,
        trust_env=not whereto.is_here,
    )
    return made


def _is_no_use(error: Exception) -> bool:
    """Whether trying again would end the same."""
    return _is_untrusted(error) or isinstance(error, httpx().UnsupportedProtocol)


def _is_untrusted(error: BaseException | None) -> bool:
    import ssl

    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False

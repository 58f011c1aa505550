"""The S3-compatible object store as steps need it: put, stream in parts, link. Requests outlast a short outage."""

import html
import os
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx

from workflow_templates import step_output
from workflow_templates.protocol.sigv4 import Signer
from workflow_templates.protocol.store_location import StoreLocation

#: Where the chart mounts the Secret and the authority of the store.
SECRET = Path("/etc/opsjobs-store/secret")
AUTHORITY = Path("/etc/opsjobs-store/authority/ca.crt")

_PASSING = frozenset({408, 429, 500, 502, 503, 504})
#: What S3 says of a request that was cut or slow on its way, or came in a bad moment, whatever the status.
_PASSING_CODES = frozenset({"RequestTimeout", "IncompleteBody", "OperationAborted", "SlowDown", "InternalError"})
#: S3 takes 10,000 parts: with these an object may have 160 GB. Two of them are in memory at a time.
_PART_BYTES = 16 << 20
_PIECE_BYTES = 1 << 16
#: Of the 30 s that a stopped pod has.
_ABORT_SECONDS = 10.0


class StoreError(Exception):
    """The object store did not do what was asked; the message is for a person and says what to look at."""


class StoreAwayError(StoreError):
    """It took no request for `patience` seconds, and may do so later."""


class _GoneError(StoreError):
    """The store does not know this upload (any more)."""


class Store:
    """A client for one step. Every request is repeated while the store is away, for at most `patience` seconds."""

    def __init__(self, http: httpx.Client, location: StoreLocation, signer: Signer, *, patience: float = 120.0) -> None:
        self.location = location
        self.patience = patience
        self.part_bytes = _PART_BYTES
        #: What of the last upload is in the bucket, in a sentence; empty: nothing.
        self.left = ""
        self._http = http
        self._signer = signer

    @classmethod
    def in_pod(cls, environment: Mapping[str, str] = os.environ, secret: Path = SECRET) -> "Store":
        """The store that the installation names. Raises StoreError where that is not whole."""
        try:
            location = StoreLocation.of(environment)
            access_key, secret_key = ((secret / name).read_text().strip() for name in ("accessKey", "secretKey"))
        except (KeyError, OSError, ValueError) as lacking:
            raise StoreError(
                f"the object store is not configured ({lacking}): see the chart's value objectStore"
            ) from lacking
        signer = Signer(access_key, secret_key, environment.get("OPSJOBS_STORE_REGION") or "us-east-1")
        http = httpx.Client(verify=_trusted(environment), timeout=httpx.Timeout(60, connect=10), trust_env=False)
        return cls(http, location, signer, patience=float(environment.get("OPSJOBS_STORE_PATIENCE_SECONDS") or 120))

    def address(self, key: str) -> str:
        return self.location.address(key)

    def presigned(self, key: str, seconds: int | None = None) -> str:
        """A link that needs no credentials until it expires; by default after as long as the chart says."""
        url = self.location.url(key, self.location.public_endpoint)
        return self._signer.presigned("GET", url, seconds or self.location.presign_seconds, datetime.now(UTC))

    def put(self, key: str, content: bytes, content_type: str) -> None:
        self.request("PUT", self.location.url(key), content, {"Content-Type": content_type})

    @contextmanager
    def upload(self, key: str, content_type: str) -> Iterator["Upload"]:
        """A file to write an object of any size into. It appears when the block ends well, and only then, and whole."""
        upload = Upload(self, key, content_type)
        try:
            yield upload
            upload.complete()
            self.left = f"the whole object is in the bucket: {self.address(key)}"
        except BaseException:
            upload.abort()
            raise

    def request(
        self,
        method: str,
        url: str,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        given_up: threading.Event | None = None,
    ) -> httpx.Response:
        """Send a signed request and return the response; raises StoreError, also once it is `given_up`."""
        end = time.monotonic() + self.patience
        pause = 0.2
        while True:
            signed = self._signer.headers(method, url, headers or {}, content, datetime.now(UTC))
            signed["Content-Length"] = str(len(content))
            try:
                answer = self._http.request(method, url, content=_in_pieces(content), headers=signed)
            except httpx.TransportError as fault:
                why = f"{type(fault).__name__}: {fault}".rstrip(": ")
                if "CERTIFICATE_VERIFY_FAILED" in why:
                    raise StoreError(
                        f"the certificate of the object store at {self.location.endpoint} is signed by an authority "
                        f"that is not trusted here: name it in the chart's value objectStore.caConfigMap ({why})"
                    ) from fault
            else:
                passes = answer.status_code in _PASSING or _tag(answer, "Code") in _PASSING_CODES
                # S3 may say 200 first and then find that it could not complete an upload.
                if answer.is_success and "<Error>" not in answer.text[:500]:
                    return answer
                if not passes and not answer.is_success:
                    raise self._refusal(answer)
                why = f"{answer.status_code} {_tag(answer, 'Code')} {_tag(answer, 'Message')}".strip()
            if time.monotonic() + pause > end or (given_up and given_up.is_set()):
                raise StoreAwayError(
                    f"the object store at {self.location.endpoint} failed every try for "
                    f"{self.patience:.0f} s, the last with: {why}. Check that it is up and can be reached from "
                    "the jobs' namespace"
                )
            step_output.log(f"the object store failed ({why}), trying again")
            time.sleep(pause)
            pause = min(pause * 2, 5.0)

    def strange(self, what: str) -> StoreError:
        """For a response that no S3 gives."""
        return StoreError(
            f"what answers at {self.location.endpoint} is no S3: it answered {what}; see the chart's value "
            f"objectStore.endpoint"
        )

    def _refusal(self, answer: httpx.Response) -> StoreError:
        location, code = self.location, _tag(answer, "Code")
        quoted = f"{answer.status_code} {code}: {_tag(answer, 'Message')}".strip(" :")
        match code:
            case "NoSuchUpload":
                return _GoneError(f"the object store at {location.endpoint} lost the upload ({quoted})")
            case "NoSuchBucket":
                return StoreError(
                    f"the object store at {location.endpoint} has no bucket {location.bucket!r}: make it, or correct "
                    f"the chart's value objectStore.bucket"
                )
            case "RequestTimeTooSkewed":
                return StoreError(
                    f"the clocks of this node and of the object store at {location.endpoint} differ ({quoted})"
                )
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return StoreError(
                f"the object store at {location.endpoint} refuses our key for bucket {location.bucket!r} ({quoted}): "
                f"see the Secret of the chart's value objectStore.existingSecret and what its key may do"
            )
        return StoreError(f"the object store at {location.endpoint} refused what it was asked ({quoted})")


class Upload:
    """A multipart upload, to be written to like a file. One part is sent while the next is filled."""

    def __init__(self, store: Store, key: str, content_type: str) -> None:
        self._store = store
        self._url = store.location.url(key)
        self._given_up = threading.Event()
        self._sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="upload")
        self._sending: Future[str] | None = None
        self._filling = bytearray()
        self._tags: list[str] = []
        self._may_be_complete = False
        begun = store.request("POST", f"{self._url}?uploads=", headers={"Content-Type": content_type})
        self._id = _tag(begun, "UploadId")
        if not self._id:
            raise store.strange("an upload it was asked to begin without an UploadId")

    def write(self, data: bytes) -> int:
        """Raises StoreError, also for what was written before."""
        self._filling += data
        while len(self._filling) >= self._store.part_bytes:
            part = bytes(self._filling[: self._store.part_bytes])
            del self._filling[: self._store.part_bytes]
            self._send(part)
        return len(data)

    def complete(self) -> None:
        if self._filling or not (self._tags or self._sending):
            self._send(bytes(self._filling))
        self._await_part()
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{html.escape(tag)}</ETag></Part>"
            for number, tag in enumerate(self._tags, 1)
        )
        whole = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        self._may_be_complete = True
        try:
            self._call("POST", f"uploadId={quote(self._id, safe='')}", whole)
        except _GoneError:
            # Repeated after an answer that was lost on its way: then the object is there.
            self._call("HEAD")
        self._sender.shutdown()

    def abort(self) -> None:
        """Leave nothing of it in the store. What cannot be removed now is the bucket's own rule's to remove."""
        self._given_up.set()
        self._store.patience = min(self._store.patience, _ABORT_SECONDS)
        try:
            self._remove_parts()
            if self._may_be_complete:
                # Its response was lost, or not waited for: then there is an object that no job will report.
                self._call("DELETE")
        except StoreError as fault:
            what = "the whole object may be" if self._may_be_complete else "parts of an upload are"
            self._store.left = f"{what} still in the bucket, for its own rules to remove: {fault}"
            step_output.log(self._store.left)

    def _remove_parts(self) -> None:
        with suppress(_GoneError):
            self._call("DELETE", f"uploadId={quote(self._id, safe='')}")
            if self._sending:
                wait([self._sending], _ABORT_SECONDS)
            # That part may have come in after the upload was gone.
            self._call("DELETE", f"uploadId={quote(self._id, safe='')}")

    def _send(self, part: bytes) -> None:
        self._await_part()
        number = len(self._tags) + 1
        self._sending = self._sender.submit(self._put_part, number, part)

    def _await_part(self) -> None:
        if self._sending:
            self._tags.append(self._sending.result())
            self._sending = None

    def _put_part(self, number: int, part: bytes) -> str:
        answer = self._call("PUT", f"partNumber={number}&uploadId={quote(self._id, safe='')}", part)
        if "ETag" not in answer.headers:
            raise self._store.strange("a part without an ETag")
        return answer.headers["ETag"]

    def _call(self, method: str, query: str = "", content: bytes = b"") -> httpx.Response:
        url = f"{self._url}?{query}" if query else self._url
        given_up = self._given_up if method == "PUT" else None
        return self._store.request(method, url, content, given_up=given_up)


def _in_pieces(content: bytes) -> Iterator[bytes]:
    """Small ones, so that the request never holds the whole.

    httpx ties requests and answers in cycles, which stay in memory until Python looks for cycles: with 16 MiB each.
    """
    view = memoryview(content)
    for start in range(0, len(view), _PIECE_BYTES):
        yield bytes(view[start : start + _PIECE_BYTES])


def _trusted(environment: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if AUTHORITY.exists():
        context.load_verify_locations(AUTHORITY)
    if environment.get("OPSJOBS_STORE_INSECURE") == "true":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _tag(answer: httpx.Response, tag: str) -> str:
    """The text of a tag in a response of S3; empty where it does not (a proxy's error, a HEAD)."""
    found = re.search(rf"<{tag}>([^<]*)</{tag}>", answer.text)
    return html.unescape(found[1]) if found else ""

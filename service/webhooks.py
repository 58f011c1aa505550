"""Sending notifications to their receivers: where these are, and what signs them, lies in mounted Secrets."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import httpx

from service.jobs.notification_queue import Sent

#: Seconds for a connection, and for the whole of a try: a receiver that hangs, or drips, costs no more.
_CONNECT_SECONDS = 5.0
_SECONDS = 15.0
#: The most that a receiver may ask to be left alone for, in seconds.
_MOST_RETRY_AFTER = 3600.0
_MOST_ADDRESS = 4096
_PREFIX = "whsec_"
_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"

# At INFO it would log every address, and who has the address of a webhook can post there.
logging.getLogger("httpx").setLevel(logging.WARNING)


class _SecretError(Exception):
    """What is wrong with a receiver's Secret, without what it holds."""


@asynccontextmanager
async def connect_webhooks(folder: Path, seconds: float = _SECONDS) -> AsyncIterator["Webhooks"]:
    """`folder` has one of its own for each receiver, with the files url and, where messages are signed, signingKey."""
    webhooks = Webhooks(folder, seconds)
    try:
        yield webhooks
    finally:
        await webhooks.close()


class Webhooks:
    """Fills service.jobs.notification_queue.Sender. The files are read for each message: Secrets change."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder, self._seconds = folder, seconds
        self._opened: httpx.AsyncClient | None = None

    async def close(self) -> None:
        if self._opened:
            await self._opened.aclose()

    def address(self, receiver: str) -> str:
        url = self._read(receiver, "url")
        return hashlib.sha256(f"opsjobs-receiver:{url}".encode()).hexdigest() if url else ""

    async def send(self, receiver: str, key: str, body: bytes, *, plain_http: bool) -> Sent:
        """One try. What went wrong is said without the address, and without what the receiver wrote."""
        try:
            url = self._url(receiver, plain_http=plain_http)
            headers = {"Content-Type": "application/json", "User-Agent": "opsjobs", **self._signed(receiver, key, body)}
            async with asyncio.timeout(self._seconds):
                async with self._http().stream("POST", url, content=body, headers=headers) as answer:
                    return _outcome(answer)
        except TimeoutError:
            return Sent("it did not answer in time")
        except httpx.HTTPError as error:
            return Sent("its certificate is not trusted" if _CERTIFICATE in str(error) else type(error).__name__)
        except (httpx.InvalidURL, UnicodeError):
            return Sent("its URL is none")
        except _SecretError as error:
            return Sent(str(error))

    def _url(self, receiver: str, *, plain_http: bool) -> str:
        url = self._read(receiver, "url")
        if not url:
            raise _SecretError("its Secret has no URL")
        if not url.startswith(("https://", "http://") if plain_http else "https://"):
            raise _SecretError("its URL is not https://")
        return url

    def _http(self) -> httpx.AsyncClient:
        """Made for the first message: where there are no receivers none is."""
        if self._opened is None:
            timeout = httpx.Timeout(self._seconds, connect=min(_CONNECT_SECONDS, self._seconds))
            self._opened = httpx.AsyncClient(timeout=timeout, follow_redirects=False)
        return self._opened

    def _signed(self, receiver: str, key: str, body: bytes) -> dict[str, str]:
        """As Standard Webhooks 1.0 has it: https://www.standardwebhooks.com."""
        now = str(int(time.time()))
        headers = {"webhook-id": key, "webhook-timestamp": now}
        if secret := self._read(receiver, "signingKey"):
            signature = hmac.digest(_signing_key(secret), f"{key}.{now}.".encode() + body, "sha256")
            headers["webhook-signature"] = f"v1,{base64.b64encode(signature).decode()}"
        return headers

    def _read(self, receiver: str, name: str) -> str:
        try:
            return (self._folder / receiver / name).read_text(encoding="utf-8")[:_MOST_ADDRESS].strip()
        except (OSError, UnicodeError):
            return ""


def _signing_key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise _SecretError(f"its signing key is not {_PREFIX} and Base64") from error


def _outcome(answer: httpx.Response) -> Sent:
    """By its status alone: what a receiver writes is not read."""
    status = answer.status_code
    if answer.is_success:
        return Sent()
    if status == HTTPStatus.GONE:
        return Sent("it said that it is gone (410)", gone=True)
    if answer.is_redirect:
        return Sent(f"it redirects ({status}), which is not followed")
    return Sent(f"it answered {status}", retry_after=_retry_after(answer))


def _retry_after(answer: httpx.Response) -> float:
    given = answer.headers.get("Retry-After", "")
    return min(float(given), _MOST_RETRY_AFTER) if given.isascii() and given.isdigit() else 0.0

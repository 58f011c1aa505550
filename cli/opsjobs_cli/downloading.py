"""Getting what a job left behind, in as many tries as it takes: through the service, or from the object store."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from opsjobs_cli.complaints import InterruptedByPersonError, RefusedError, UnreachableError
from opsjobs_cli.http_library import httpx
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.refusals import lacks_call
from opsjobs_cli.service_client import Service, job_path

#: Opens the object for a request with these headers; the answer's body is read in the block.
Opener = Callable[[Mapping[str, str]], AbstractContextManager[Any]]
#: Takes how many bytes there are, and how many there will be; None: not known.
_Shown = Callable[[int, int | None], None]

#: The service has no file of that name here.
_NOT_HERE = "UNKNOWN_OUTPUT"
_PIECE = 1 << 16
#: Tries in a row that bring nothing, before it is given up, and the seconds between.
_TRIES = 5
_PAUSE = 1.0
#: What a report may have; it is read into memory.
_LARGEST_REPORT = 256 << 20


def through(service: Service, job_id: str, name: str) -> Opener:
    """Through the service, which has the object store's key and asks for the person's right."""
    return partial(_open_output, service, job_path(job_id, "outputs", name))


def either(first: Opener, second: Opener) -> Opener:
    """The first, or where the service has it not (it is older, or has no key of the object store) the second."""
    return partial(_open_either, first, second)


def link(url: str) -> Opener:
    """Through a link that is signed: no token of ours goes there, and nothing else decides who may read."""
    return partial(_open_link, url)


@contextmanager
def _open_output(service: Service, path: str, headers: Mapping[str, str]) -> Iterator[Any]:
    with service.stream(path, headers=headers, also=(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,)) as answer:
        yield answer


@contextmanager
def _open_either(first: Opener, second: Opener, headers: Mapping[str, str]) -> Iterator[Any]:
    with ExitStack() as opened:
        try:
            answer = opened.enter_context(first(headers))
        except RefusedError as error:
            if error.code != _NOT_HERE and not lacks_call(error):
                raise
            answer = opened.enter_context(second(headers))
        yield answer


@contextmanager
def _open_link(url: str, headers: Mapping[str, str]) -> Iterator[Any]:
    try:
        with httpx().stream("GET", url, headers=dict(headers), timeout=60.0) as answer:
            yield answer
    except (httpx().InvalidURL, httpx().UnsupportedProtocol) as error:
        raise RefusedError(f"the job's link is none: {neutral(error)}") from error


def read(source: Opener) -> bytes:
    """A small object as a whole.

    Raises:
        RefusedError: the store does not give it.
        UnreachableError: it does not answer.
    """
    for left in reversed(range(_TRIES)):
        try:
            with source({}) as answer:
                _expect(answer, HTTPStatus.OK)
                content = bytearray()
                for piece in answer.iter_bytes(_PIECE):
                    content += piece
                    if len(content) > _LARGEST_REPORT:
                        raise RefusedError(f"it is larger than {_LARGEST_REPORT >> 20} MiB: that is no report")
                return bytes(content)
        except (httpx().TransportError, UnreachableError) as error:
            if not left:
                raise UnreachableError(f"it cannot be read: {neutral(error)}") from error
            time.sleep(_PAUSE)
    raise AssertionError("the last try returns or raises")


@dataclass(frozen=True)
class Download:
    """One object into one file. While it is not whole it is beside that, as FILE.part, and goes on from there."""

    source: Opener
    target: Path

    def run(self, *, showing: bool) -> None:
        """Get all of it.

        Raises:
            RefusedError: the store does not give it (the link has expired, say), or the file is there already.
            UnreachableError: it does not answer.
        """
        if self.target.exists():
            raise RefusedError(f"{self.target} exists already: give another --file, or remove it")
        try:
            with _progress(self.target.name, showing=showing) as shown:
                self._in_tries(shown)
        except KeyboardInterrupt:
            raise InterruptedByPersonError(f"interrupted; the same command goes on from {self._part}") from None
        self._part.replace(self.target)
        self._tag.unlink(missing_ok=True)

    @property
    def _part(self) -> Path:
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def _tag(self) -> Path:
        """Of which object the part is: another of the same name is not put behind it."""
        return self.target.with_name(f"{self.target.name}.part.etag")

    def _in_tries(self, shown: _Shown) -> None:
        left = _TRIES
        while True:
            before = self._size()
            try:
                self._once(shown)
            except (httpx().TransportError, UnreachableError) as error:
                left = _TRIES if self._size() > before else left - 1
                if not left:
                    raise UnreachableError(
                        f"the rest does not come: {neutral(error)}; the same command goes on from {self._part}"
                    ) from error
                time.sleep(_PAUSE)
            else:
                return

    def _once(self, shown: _Shown) -> None:
        """As much as comes in one answer; raises httpx.TransportError where it breaks off."""
        size, tag = self._size(), self._known_tag()
        headers = {"Range": f"bytes={size}-", "If-Range": tag} if size and tag else {}
        # As it lies in the store: what is packed on its way cannot be continued.
        with self.source({"Accept-Encoding": "identity", **headers}) as answer:
            if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and headers:
                if answer.headers.get("Content-Range") == f"bytes */{size}":
                    return
                self._tag.unlink()
                raise httpx().ReadError("what was there before is of another object")
            _expect(answer, HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
            begun_at = size if answer.status_code == HTTPStatus.PARTIAL_CONTENT else 0
            self._tag.write_text(_strong(answer.headers.get("ETag", "")))
            length = answer.headers.get("Content-Length")
            whole = begun_at + int(length) if length else None
            with self._part.open("ab" if begun_at else "wb") as file:
                # As it comes: what a buffer holds when the connection breaks would have to come again.
                for piece in answer.iter_raw():
                    file.write(piece)
                    shown(file.tell(), whole)

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _known_tag(self) -> str:
        return self._tag.read_text().strip() if self._tag.exists() else ""


def _strong(tag: str) -> str:
    """A tag that stands for the same bytes; a weak one does not."""
    return "" if tag.startswith("W/") else tag


def _expect(answer: Any, *statuses: HTTPStatus) -> None:
    if answer.status_code in statuses:
        return
    if answer.status_code in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
        raise RefusedError(
            "the object store does not give it: the link has expired, or the object is not there any more"
        )
    if answer.is_server_error:
        raise httpx().ReadError(f"the object store answered {answer.status_code}")
    raise RefusedError(f"the object store answered {answer.status_code} {neutral(answer.reason_phrase)}")


@contextmanager
def _progress(name: str, *, showing: bool) -> Iterator[_Shown]:
    """A bar on a terminal."""
    if not showing:
        yield lambda _size, _whole: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from opsjobs_cli.printing import console

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console(error=True), transient=True) as bar:
        task = bar.add_task(neutral(name), total=None)
        yield lambda size, whole: bar.update(task, completed=size, total=whole)

"""An object store that speaks as much S3 as the steps use, and can be told to be ill."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

#: A fault instead of a status: the connection is cut after the request was read.
CUT = 0


@dataclass
class S3Server:
    """`objects` by path; `uploads` not completed, by id, with their parts by number."""

    objects: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    #: Answers to the next requests instead of doing them: (status, S3's code) or CUT.
    faults: list[tuple[int, str]] = field(default_factory=list)
    #: Statuses for ever, for requests that it picks by method and query.
    refuses: Callable[[str, dict[str, list[str]]], tuple[int, str] | None] = lambda _method, _query: None
    #: The next completion is done, but its answer lost.
    loses_an_answer: bool = False
    #: Runs when an upload has been completed, before that is answered.
    completed: Callable[[], None] = lambda: None
    #: Whether parts are answered with an ETag, as S3 does.
    tags: bool = True
    seen: list[tuple[str, str]] = field(default_factory=list)
    biggest: int = 0
    url: str = ""

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, str, dict[str, str]]:
        parts = urlsplit(target)
        query, path = parse_qs(parts.query, keep_blank_values=True), unquote(parts.path)
        self.seen.append((method, target))
        self.biggest = max(self.biggest, len(body))
        if self.faults:
            status, code = self.faults.pop(0)
            return status, error(code), {}
        if refused := self.refuses(method, query):
            return refused[0], error(refused[1]), {}
        return self.obey(method, path, query, headers, body)

    def obey(
        self, method: str, path: str, query: dict[str, list[str]], headers: Any, body: bytes
    ) -> tuple[int, str, dict[str, str]]:
        if method == "POST" and "uploads" in query:
            upload = f"upload/{len(self.seen)}+1"
            self.uploads[upload] = {}
            self.types[path] = headers["Content-Type"]
            return 200, f"<R><UploadId>{upload}</UploadId></R>", {}
        if "uploadId" in query:
            return self._of_upload(method, path, query, body)
        if method == "DELETE":
            self.objects.pop(path, None)
            return 204, "", {}
        if method == "PUT":
            self.objects[path], self.types[path] = body, headers["Content-Type"]
            return 200, "", {}
        if path not in self.objects:
            return 404, "", {}
        return 200, self.objects[path].decode() if method == "GET" else "", {}

    def _of_upload(
        self, method: str, path: str, query: dict[str, list[str]], body: bytes
    ) -> tuple[int, str, dict[str, str]]:
        (upload,) = query["uploadId"]
        if upload not in self.uploads:
            return 404, error("NoSuchUpload"), {}
        if method == "PUT":
            number = int(query["partNumber"][0])
            self.uploads[upload][number] = body
            return 200, "", {"ETag": f'"{number}"'} if self.tags else {}
        stored = self.uploads.pop(upload)
        if method == "DELETE":
            return 204, "", {}
        numbers = sorted(stored)
        assert body.decode().count("<Part>") == len(numbers)
        self.objects[path] = b"".join(stored[number] for number in numbers)
        self.completed()
        if self.loses_an_answer:
            self.loses_an_answer = False
            return CUT, "", {}
        return 200, "<CompleteMultipartUploadResult/>", {}


def error(code: str) -> str:
    return f"<Error><Code>{code}</Code><Message>of {code}</Message></Error>" if code else ""


@contextmanager
def serving(store: S3Server) -> Iterator[S3Server]:
    """The store at `store.url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, text, headers = store.answer(self.command, self.path, self.headers, body)
            if status == CUT:
                self.close_connection = True
                return
            content = b"" if self.command == "HEAD" or status == 204 else text.encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    store.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield store
    finally:
        http.shutdown()
        http.server_close()
        thread.join()

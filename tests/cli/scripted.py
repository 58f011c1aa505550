"""A real HTTP server that sends what a test has written down: streams that break where a test wants them to."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Answer:
    """`breaks`: the connection ends in the middle of the response."""

    content: bytes
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    breaks: bool = False
    #: Waited for before the end.
    until: threading.Event | None = None


def event(name: str, data: Any, number: int | str = "") -> bytes:
    identity = f"id: {number}\n" if number != "" else ""
    return f"event: {name}\n{identity}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def stream(*events: bytes, breaks: bool = False, until: threading.Event | None = None) -> Answer:
    return Answer(b"".join(events), media_type="text/event-stream", breaks=breaks, until=until)


def content(value: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(value).encode(), status)


def problem(status: int, code: str, message: str = "no") -> Answer:
    return content({"status": status, "errorCode": code, "errorMessage": message}, status)


class Scripted:
    """Each path has its answers in their order; the last one stays. What no path has is 404, as of an older service."""

    def __init__(self) -> None:
        #: (method, path, query, headers, body) of each request.
        self.seen: list[tuple[str, str, dict[str, str], dict[str, str], Any]] = []
        self.answers: dict[str, list[Answer]] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                server.seen.append((self.command, parts.path, query, dict(self.headers), body))
                listed = server.answers.get(f"{self.command} {parts.path}")
                listed = server.answers.get(parts.path, []) if listed is None else listed
                answer = problem(404, "NOT_FOUND") if not listed else listed.pop(0) if len(listed) > 1 else listed[0]
                self.send(answer)

            do_PUT = do_DELETE = do_POST = do_GET  # noqa: N815  # as the library calls them

            def send(self, answer: Answer) -> None:
                self.close_connection = True
                self.send_response(answer.status)
                for name, value in {"Content-Type": answer.media_type, "Connection": "close", **answer.headers}.items():
                    self.send_header(name, value)
                # A stream says where it ends; one that broke did not.
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                if answer.content:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(answer.content), answer.content))
                    self.wfile.flush()
                if answer.until:
                    answer.until.wait(300)
                if not answer.breaks:
                    self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(300)

    def asked(self, path: str) -> list[tuple[dict[str, str], dict[str, str]]]:
        """(query, headers) of each request for that path."""
        return [(query, headers) for _, seen, query, headers, _ in self.seen if seen == path]


Job = dict[str, Any]
NOW = "2026-01-02T03:04:05.000Z"


def node(name: str = "n1", phase: str = "Pending", message: str = "") -> Job:
    begun = "" if phase == "Pending" else NOW
    return {
        "name": name,
        "phase": phase,
        "message": message,
        "start": begun,
        "end": NOW if phase in ("Succeeded", "Failed") else "",
    }


def condition(kind: str, reason: str, message: str = "so it is") -> Job:
    return {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": NOW}


def job(job_id: str, phase: str = "Running", *nodes: Job, **fields: Any) -> Job:
    """As GET has it."""
    ended = NOW if phase in ("Succeeded", "Failed") else ""
    plan = {"nodes": list(nodes) or [node()], "excluded": []}
    texts = {"workspaceId": "", "deletionTime": ""} | {"jobName": "made", "clusterId": "local"}
    return {
        **texts, "jobId": job_id, "userId": "alice", "userName": "alice", "type": "addon", "phase": phase,
        "creationTime": NOW, "startTime": NOW, "endTime": ended, "timeoutSecond": 0, "inputs": [], "outputs": [],
        "env": {}, "conditions": [condition("Pending", "Created")], "plan": plan, "progress": "0/1", **fields,
    }  # fmt: skip

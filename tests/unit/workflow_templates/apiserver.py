"""A small HTTP server that treats objects as the apiserver does: versions, conflicts, merge patches, pages, faults.

It stands in for the part that the steps' client must get right on the wire; that the real one agrees is shown in e2e.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.plain_http import NO_TLS
from workflow_templates.kubernetes_api import Cluster

Object = dict[str, Any]

NAMESPACE = "opsjobs-jobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
WORKFLOWS = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/workflows"

#: A fault that closes the connection without an answer.
HANG_UP = 0
OK = 200


#: When every log here begins and ends.
FIRST_TIME, LAST_TIME = "2026-01-02T03:04:05.000000001Z", "2026-01-02T04:00:00.5Z"


@dataclass
class ServedLog:
    """A container's log, or why it is not to be had."""

    content: bytes = b""
    #: One for each time that it is read: the connection is cut after so many bytes.
    cuts: list[int] = field(default_factory=list)
    #: The same, but there the answer ends as if it were whole, which is how the apiserver tells of a kubelet's death.
    ends: list[int] = field(default_factory=list)
    #: One for each request to come: the status and the message that it is answered instead, or HANG_UP.
    faults: list[tuple[int, str]] = field(default_factory=list)
    #: What the kubelet says after it, or instead; with 200, as it does when it has begun to answer.
    said: bytes = b""
    status: int = 200
    message: str = ""

    def timed(self) -> list[bytes]:
        """Its lines as Kubernetes gives them with timestamps."""
        lines = _split(self.content)
        return [
            f"{LAST_TIME if number == len(lines) else FIRST_TIME} ".encode() + line
            for number, line in enumerate(lines, 1)
        ]


def _split(content: bytes) -> list[bytes]:
    *lines, last = content.split(b"\n")
    return [line + b"\n" for line in lines] + [last] * bool(last)


class ApiServer:
    """Objects by path. `faults` are answered first, one a request (None: no fault).

    `before_write` runs once, between a read and a write.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.faults: list[int | None] = []
        self.applied_faults: list[int] = []
        self.seen: list[tuple[str, str]] = []
        self.before_write: Callable[[], None] | None = None
        #: By namespace/pod/container, with .previous for the one before the last restart.
        self.logs: dict[str, ServedLog] = {}
        #: What the eviction of a pod is answered with, by the pod's name, where it is refused.
        self.refused_evictions: dict[str, tuple[int, Object]] = {}
        #: Path → why a change of that object is forbidden.
        self.refused_patches: dict[str, str] = {}
        self._version = 100
        self._lock = threading.RLock()

    def put(self, path: str, item: Object) -> None:
        with self._lock:
            self._version += 1
            metadata = {**item.get("metadata", {}), "name": path.rpartition("/")[2]}
            born = {"uid": f"uid-{self._version}", "creationTimestamp": datetime.now(UTC).isoformat()}
            metadata = {**born, **metadata, "resourceVersion": str(self._version)}
            self.objects[path] = {**item, "metadata": metadata}

    def add_pod(self, name: str, *, node: str, namespace: str = NAMESPACE, **fields: Any) -> None:
        item = {
            "metadata": {"namespace": namespace, **fields.get("metadata", {})},
            "spec": {"nodeName": node},
            "status": {"phase": "Running", **fields.get("status", {})},
        }
        self.put(f"/api/v1/namespaces/{namespace}/pods/{name}", item)

    def log(self, path: str, query: dict[str, str]) -> ServedLog:
        namespace, pod = path.split("/")[4], path.split("/")[6]
        previous = ".previous" if query.get("previous") == "true" else ""
        found = self.logs.get(f"{namespace}/{pod}/{query['container']}{previous}")
        if found is None:
            return ServedLog(status=400, message=f"{query['container']} has no such log")
        if found.faults:
            status, message = found.faults.pop(0)
            return ServedLog(status=status, message=message)
        if "timestamps" not in query or found.status != OK:
            return found
        if "tailLines" in query:
            return ServedLog(b"".join(found.timed()[-1:]) + found.said)
        return ServedLog(b"".join(found.timed()) + found.said, found.cuts, found.ends)

    def answer(self, method: str, path: str, query: dict[str, str], body: Object | None) -> tuple[int, Object]:
        with self._lock:
            self.seen.append((method, path))
            if method != "GET" and self.before_write:
                before, self.before_write = self.before_write, None
                before()
            return getattr(self, f"_{method.lower()}")(path, query, body)  # type: ignore[no-any-return]

    def _get(self, path: str, query: dict[str, str], _body: Object | None) -> tuple[int, Object]:
        if path in self.objects:
            return 200, self.objects[path]
        if path.endswith(("/pods", "/leases", "/nodes", "/events", "/volumeattachments")):
            return 200, self._page(path, query)
        return 404, {"message": f"{path} not found"}

    def _page(self, path: str, query: dict[str, str]) -> Object:
        everywhere = path == "/api/v1/pods"
        found = [
            item
            for name, item in sorted(self.objects.items())
            if (name.startswith(f"{path}/") or (everywhere and "/pods/" in name)) and _selected(item, query)
        ]
        begin, size = int(query.get("continue", "0")), int(query.get("limit", "500"))
        more = {"continue": str(begin + size)} if len(found) > begin + size else {}
        return {"metadata": more, "items": found[begin : begin + size]}

    def _post(self, path: str, _query: dict[str, str], body: Object | None) -> tuple[int, Object]:
        assert body is not None
        if path.endswith("/eviction"):
            return self._evict(path.removesuffix("/eviction"), body)
        target = f"{path}/{body['metadata']['name']}"
        if target in self.objects:
            return 409, {"message": "already exists"}
        self.put(target, body)
        return 201, self.objects[target]

    def _evict(self, path: str, body: Object) -> tuple[int, Object]:
        if refused := self.refused_evictions.get(path.rpartition("/")[2]):
            return refused
        return self._delete(path, {}, body.get("deleteOptions"))

    def _patch(self, path: str, _query: dict[str, str], body: Object | None) -> tuple[int, Object]:
        assert body is not None
        if path in self.refused_patches:
            return 403, {"message": self.refused_patches[path]}
        if path not in self.objects:
            return 404, {"message": "not found"}
        expected = body.get("metadata", {}).get("resourceVersion")
        if expected not in (None, self.objects[path]["metadata"]["resourceVersion"]):
            return 409, {"message": "the object has been modified"}
        self.put(path, merge(self.objects[path], body))
        return 200, self.objects[path]

    def _delete(self, path: str, _query: dict[str, str], body: Object | None) -> tuple[int, Object]:
        if path not in self.objects:
            return 404, {"message": "not found"}
        metadata = self.objects[path]["metadata"]
        if any(metadata[key] != value for key, value in ((body or {}).get("preconditions") or {}).items()):
            return 409, {"message": "precondition failed"}
        return 200, self.objects.pop(path)


def merge(item: Any, change: Any) -> Any:
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    merged = dict(item) if isinstance(item, dict) else {}
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def _selected(item: Object, query: dict[str, str]) -> bool:
    labels = item["metadata"].get("labels") or {}
    wanted = [term.split("=", 1) for term in query.get("labelSelector", "").split(",") if term]
    if any(labels.get(key) != value for key, value in wanted):
        return False
    fields = {
        "spec.nodeName": item.get("spec", {}).get("nodeName"),
        "status.phase": item.get("status", {}).get("phase"),
        "involvedObject.uid": item.get("involvedObject", {}).get("uid"),
        "involvedObject.name": item.get("involvedObject", {}).get("name"),
        "reason": item.get("reason"),
    }
    for term in filter(None, query.get("fieldSelector", "").split(",")):
        key, value = term.replace("!=", "=").split("=", 1)
        if (fields[key] == value) is ("!=" in term):
            return False
    return True


@contextmanager
def serving(server: ApiServer) -> Iterator[Cluster]:
    """A client of the steps that talks to the server over a real connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer

        def handle_any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            fault = server.faults.pop(0) if server.faults else None
            if server.applied_faults and self.command != "GET":
                server.answer(self.command, parts.path, query, body)
                fault = server.applied_faults.pop(0)
            if fault == HANG_UP:
                self.close_connection = True
                return
            if parts.path.endswith("/log") and not fault:
                self.send_log(server.log(parts.path, query))
                return
            status, answer = (
                (fault, {"message": "not now"}) if fault else server.answer(self.command, parts.path, query, body)
            )
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def send_log(self, log: ServedLog) -> None:
            content = log.content if log.status == OK else json.dumps({"message": log.message}).encode()
            if log.status == HANG_UP:
                self.close_connection = True
                return
            content = content[: log.ends.pop(0)] if log.ends else content
            self.send_response(log.status)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            cut = log.cuts.pop(0) if log.cuts else None
            for begin in range(0, len(content[:cut]), 10_000):
                piece = content[:cut][begin : begin + 10_000]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            if cut is None:
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = cut is not None

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{http.server_port}"
        with httpx.Client(base_url=url, timeout=60, trust_env=False, verify=NO_TLS) as client:
            cluster = Cluster(client, NAMESPACE, pause=0.01)
            cluster.patience, cluster.refusal_patience = 120.0, 0.0
            yield cluster
    finally:
        http.shutdown()
        http.server_close()
        thread.join()

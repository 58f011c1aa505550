"""As much of the Kubernetes API as the service needs to start, lead and be scraped: no job runs on it."""

import asyncio
from typing import Any

from aiohttp import web

from workflow_templates.protocol import labels

#: For the cluster's own audience, as Prometheus has one.
SCRAPER = "token-of-prometheus"
#: For the service's.
CALLER = "token-of-a-caller"

_WHOSE = {SCRAPER: "system:serviceaccount:monitoring:prometheus", CALLER: "alice"}
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/opsjobs/leases"


class ApiServer:
    """Leases are kept; whoever is asked about may do what is asked; a node was left cordoned; there is no Workflow."""

    def __init__(self) -> None:
        self._leases: dict[str, dict[str, Any]] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            return await self._silence(request)
        body = await request.json() if request.body_exists else {}
        if request.path.startswith(_LEASES):
            return self._lease(request, body)
        kind = request.path.rpartition("/")[2]
        if kind == "tokenreviews":
            return web.json_response({"status": _reviewed(body["spec"])}, status=201)
        if kind == "subjectaccessreviews":
            return web.json_response({"status": {"allowed": True}}, status=201)
        if request.method == "GET" and kind == "freeze.opsjob.io":
            return web.json_response({}, status=404)
        items = [_left_cordoned()] if kind == "nodes" else []
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})

    async def _silence(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(600)
        return response

    def _lease(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        name = body.get("metadata", {}).get("name") or request.path.removeprefix(f"{_LEASES}/")
        if request.method in ("POST", "PUT"):
            version = str(len(self._leases) + int(body["metadata"].get("resourceVersion", 0)))
            self._leases[name] = body | {"metadata": {"name": name, "resourceVersion": version}}
        found = self._leases.get(name)
        return web.json_response(found or {}, status=200 if found else 404)


def _reviewed(spec: dict[str, Any]) -> dict[str, Any]:
    audiences = spec.get("audiences", ["https://kubernetes.default.svc"])
    known = {SCRAPER: "https://kubernetes.default.svc", CALLER: "opsjobs"}.get(spec["token"])
    if known not in audiences:
        return {"authenticated": False}
    return {"authenticated": True, "audiences": audiences, "user": {"username": _WHOSE[spec["token"]]}}


def _left_cordoned() -> dict[str, Any]:
    marks = {labels.LEFT_CORDONED: "job reboot-abc123: it did not come back"}
    return {"metadata": {"name": "gpu-1", "annotations": marks, "creationTimestamp": "2026-01-01T00:00:00Z"}}

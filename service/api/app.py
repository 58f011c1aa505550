"""The HTTP application: routes, errors, and one log line and one measurement for each request."""

import re
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import Depends, FastAPI, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api import (
    audit,
    audit_list,
    console_files,
    event_stream,
    fleet,
    freezing,
    health,
    output_routes,
    problems,
    routes,
    steering,
    template_list,
    whoami,
)
from service.api.origins import own_site
from service.metrics import HTTP_SECONDS

log = structlog.get_logger()

#: HTTP's own methods (RFC 9110, RFC 5789). A client can send any other, and each label of a metric is kept for ever.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

#: A caller's own X-Request-Id that is taken over: it stands in every log line of the request.
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

#: Whatever text of others is in a response, no browser makes a page of it, or shows it in another's.
_INERT = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def build(lifespan: Callable[[FastAPI], Any], *, console: bool = True) -> FastAPI:
    """The app; `lifespan` sets `app.state.dependencies` before the first request. `console`: whether it has pages."""
    app = FastAPI(
        title="OpsJobs",
        description="Operations on the nodes of a cluster, as durable Argo Workflows.",
        version="0.1.0",
        lifespan=lifespan,
        # The contract wants a token on every route but the probes, so these are served by our own.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(own_site)],
    )
    routers = (
        routes.router,
        steering.router,
        output_routes.router,
        whoami.router,
        template_list.router,
        freezing.router,
        event_stream.router,
        fleet.router,
        audit_list.router,
        health.router,
        health.guarded,
        *((console_files.router,) if console else ()),
    )
    for router in routers:
        app.include_router(router)
    problems.install(app, [route for router in routers for route in router.routes])
    app.add_middleware(Observed)
    return app


class Observed:
    """The request's id on its response and its log lines; audited at both its ends, measured as the response begins."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        given = request.headers.get("X-Request-Id", "")
        request.state.request_id = request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex[:12]
        begun = time.perf_counter()

        async def respond(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in _INERT.items():
                    headers.setdefault(name, value)
                audit.write(request, message["status"])
                _measure(request, message["status"], time.perf_counter() - begun)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, respond)
            except Exception:
                audit.write(request, HTTPStatus.INTERNAL_SERVER_ERROR)
                raise


def _measure(request: Request, status: int, took: float) -> None:
    route = getattr(request.scope.get("route"), "path", "none")
    method = request.method if request.method in _METHODS else "other"
    HTTP_SECONDS.labels(method, route, status).observe(took)
    if route not in ("/healthz", "/readyz"):
        who = getattr(request.state, "caller", None)
        log.info(
            "request",
            method=request.method,
            path=request.url.path,
            status=status,
            ms=round(took * 1000, 1),
            user=who.user_name if who else None,
        )

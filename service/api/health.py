"""The routes beside the API: probes for the kubelet; metrics and the schema for those with a token."""

from http import HTTPStatus

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from service.api.caller import caller, within_caller_limit, within_scraper_limit
from service.api.dependencies import Services
from service.api.openapi import VERBOSE, also_plain, document, empty, problems
from service.api.problems import RETRY_AFTER
from service.jobs.ports import UnavailableError

log = structlog.get_logger()

router = APIRouter()
guarded = APIRouter(dependencies=[Depends(within_caller_limit)])


@router.get("/healthz", summary="The process lives", response_class=Response)
async def healthz() -> Response:
    return Response()


@router.get(
    "/readyz",
    summary="Its store and Kubernetes answer",
    response_class=PlainTextResponse,
    openapi_extra=VERBOSE,
    responses={**empty("text/plain"), 401: problems()[401], 503: also_plain(problems()[503])},
)
async def readyz(request: Request, services: Services) -> Response:
    """One plain word. `?verbose` needs a token: what is away, and which receivers are not told what happens."""
    verbose = "verbose" in request.query_params
    if verbose:
        await caller(request, services)
    try:
        await services.readiness.check()
    except UnavailableError as error:
        if verbose:
            raise
        log.warning("not ready", reason=str(error))
        return PlainTextResponse("unavailable", HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(RETRY_AFTER)})
    state = services.notification_state if verbose else None
    return PlainTextResponse("\n".join(["ready", *(await state.conditions() if state else ())]))


@router.get(
    "/metrics",
    dependencies=[Depends(within_scraper_limit)],
    summary="Prometheus metrics",
    response_class=Response,
    responses={**empty("text/plain"), **problems()},
)
async def metrics(services: Services) -> Response:
    """Of this replica, and where it leads of the cluster (docs/metrics.md)."""
    return Response(generate_latest(REGISTRY) + generate_latest(services.metrics), media_type=CONTENT_TYPE_LATEST)


@guarded.get("/openapi.json", summary="This API as OpenAPI", include_in_schema=False)
async def openapi(request: Request) -> Response:
    return JSONResponse(document(request.app))

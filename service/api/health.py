"""The routes beside the API: probes for the kubelet; metrics and the schema for those with a token."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.api.caller import turn
from service.api.openapi import document, empty, problems
from service.api.wiring import Services

router = APIRouter()
guarded = APIRouter(dependencies=[Depends(turn)])


@router.get("/healthz", summary="The process lives", response_class=Response)
async def healthz() -> Response:
    return Response()


@router.get(
    "/readyz",
    summary="Its store and Kubernetes answer",
    response_class=Response,
    responses={**empty(), 503: problems()[503]},
)
async def readyz(services: Services) -> Response:
    """503 that names the dependency which is away."""
    await services.records.ping()
    await services.cluster.ping()
    return Response()


@guarded.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={**empty("text/plain"), **problems()},
)
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@guarded.get("/openapi.json", summary="This API as OpenAPI", include_in_schema=False)
async def openapi(request: Request) -> Response:
    return JSONResponse(document(request.app))

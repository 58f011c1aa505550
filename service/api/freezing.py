"""GET, PUT and DELETE /api/v1/freeze: nothing new begins on any node (contract: the command line and the console)."""

from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response

from service.api import body, parse_order
from service.api.caller import CallerDep, within_caller_limit
from service.api.dependencies import Dependencies, Services
from service.api.etags import tagged
from service.api.openapi import NOT_MODIFIED, SHOW, TAGGED, empty, json_response, needed_body, problems
from service.api.problems import Problem
from service.api.received_body import received
from service.api.request_bodies import FreezeRequest
from service.api.responses import FreezeState
from service.api.write_parameters import only
from service.domain.cluster_objects import Caller
from service.domain.job import rfc3339
from workflow_templates.protocol.freeze import Freeze, one_line

router = APIRouter(prefix="/api/v1", dependencies=[Depends(within_caller_limit)])


@router.get(
    "/freeze",
    summary="Is the cluster frozen",
    operation_id="show_freeze",
    openapi_extra=SHOW,
    responses={**json_response(FreezeState, headers=TAGGED), **NOT_MODIFIED, **problems()},
)
async def show_freeze(request: Request, services: Services, _who: CallerDep) -> Response:
    """Who froze it, why, and since when."""
    found = await services.cluster.freeze()
    state = FreezeState(
        frozen=found is not None,
        by=found.by if found else "",
        reason=found.reason if found else "",
        since=_time(found.since) if found else "",
    )
    return tagged(request, state.model_dump(mode="json", by_alias=True))


@router.put(
    "/freeze",
    summary="Freeze the cluster",
    operation_id="freeze",
    response_class=Response,
    openapi_extra=needed_body(FreezeRequest),
    dependencies=[Depends(only())],
    responses={
        **empty(),
        **problems(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        ),
    },
)
async def freeze(request: Request, services: Services, who: CallerDep) -> Response:
    """Nothing new begins on any node, whoever's job it is; what is at work finishes, and jobs are accepted and wait."""
    await _require(services, who)
    async with received(request, services, who) as sent:
        asked = parse_order.read(FreezeRequest, body.parse(sent))
    await _require(services, who)
    await services.cluster.set_freeze(Freeze(who.user_name, one_line(asked.reason), rfc3339(datetime.now(UTC))))
    return Response()


@router.delete(
    "/freeze",
    summary="Unfreeze the cluster",
    operation_id="unfreeze",
    response_class=Response,
    dependencies=[Depends(only())],
    responses={**empty(), **problems(HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN)},
)
async def unfreeze(services: Services, who: CallerDep) -> Response:
    """Nodes begin again, within seconds."""
    await _require(services, who)
    await services.cluster.lift_freeze()
    return Response()


async def _require(services: Dependencies, who: Caller) -> None:
    """Raises Problem: 403."""
    if not await services.reviews.may_freeze(who):
        message = f"{who.user_name} may not freeze or unfreeze the cluster: the right is update on freeze.opsjob.io"
        raise Problem(HTTPStatus.FORBIDDEN, message)


def _time(text: str) -> str:
    """As every time here; what a person wrote into the object by hand may be none."""
    try:
        return rfc3339(datetime.fromisoformat(text).astimezone(UTC))
    except ValueError:
        return ""

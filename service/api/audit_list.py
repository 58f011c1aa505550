"""GET /api/v1/audit: who did what, when, from where, and what came of it (contract: the command line, the console)."""

from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response

from service.api.audit_parameters import audit_query
from service.api.caller import CallerDep, within_caller_limit
from service.api.dependencies import Services
from service.api.openapi import AUDIT, json_response, problems
from service.api.problems import Problem
from service.api.responses import AuditLines

router = APIRouter(prefix="/api/v1", dependencies=[Depends(within_caller_limit)])


@router.get(
    "/audit",
    summary="List what callers did",
    operation_id="list_audit",
    openapi_extra=AUDIT,
    responses={**json_response(AuditLines), **problems(HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN)},
)
async def list_audit(request: Request, services: Services, who: CallerDep) -> Response:
    """One page of the calls that changed something in this cluster, or would have, and how many there are in all."""
    if not await services.reviews.may_list_audit(who):
        message = f"{who.user_name} may not see what others did: the right is list on audit.opsjob.io"
        raise Problem(HTTPStatus.FORBIDDEN, message)
    query = audit_query(request.query_params, services.submission.cluster_id, datetime.now(UTC))
    page = await services.records.audit_page(query)
    content = b'{"totalCount":%d,"items":[%b]}' % (page.total, b",".join(page.items))
    return Response(content, media_type="application/json")

"""GET /api/v1/whoami: who the caller is, and what they may do (contract: the command line and the console)."""

from fastapi import APIRouter, Depends, Request, Response

from service.api.caller import CallerDep, within_caller_limit
from service.api.dependencies import Services
from service.api.etags import tagged
from service.api.openapi import NOT_MODIFIED, SHOW, TAGGED, json_response, problems
from service.api.responses import Right, WhoAmI
from service.domain.job import JobType

#: On opsjobs.opsjob.io/<type>, in the order in which they are shown. update: stop; with create: retry.
VERBS = ("create", "get", "list", "update", "delete")

router = APIRouter(prefix="/api/v1", dependencies=[Depends(within_caller_limit)])


@router.get(
    "/whoami",
    summary="Who am I, and what may I do",
    operation_id="whoami",
    openapi_extra=SHOW,
    responses={**json_response(WhoAmI, headers=TAGGED), **NOT_MODIFIED, **problems()},
)
async def whoami(request: Request, services: Services, who: CallerDep) -> Response:
    """The caller, and each right that they have: in the cluster, or in workspaces."""
    namespaces = await services.workspace_namespaces.all()
    rights: list[Right] = []
    # One verb after another: each is up to a question for every type in every workspace.
    for verb in VERBS:
        granted = await services.reviews.granted(who, verb, JobType, namespaces.values())
        rights += (_right(verb, kind, granted, namespaces) for kind in JobType)
    content = WhoAmI(
        user_id=who.user_id,
        user_name=who.user_name,
        groups=list(who.groups),
        rights=[right for right in rights if right.cluster or right.workspaces],
    )
    return tagged(request, content.model_dump(mode="json", by_alias=True))


def _right(verb: str, kind: JobType, granted: frozenset[tuple[str, str | None]], namespaces: dict[str, str]) -> Right:
    everywhere = (kind, None) in granted
    within = [] if everywhere else [workspace for workspace, name in namespaces.items() if (kind, name) in granted]
    return Right(verb=verb, type=kind, cluster=everywhere, workspaces=sorted(within))

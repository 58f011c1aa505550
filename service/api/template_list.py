"""GET /api/v1/addontemplates, /nodetemplates: what addon jobs can run (contract: the command line and the console)."""

from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response

from service.api.caller import CallerDep, within_caller_limit
from service.api.dependencies import Dependencies, Services
from service.api.etags import tagged
from service.api.openapi import NOT_MODIFIED, SHOW, TAGGED, json_response, problems
from service.api.responses import AddonTemplateItem, AddonTemplates, NodeTemplateItem, NodeTemplates
from service.domain.cluster_objects import AddonTemplate, Caller
from service.domain.job import JobType

router = APIRouter(prefix="/api/v1", dependencies=[Depends(within_caller_limit)])


@router.get(
    "/addontemplates",
    summary="List addon templates",
    operation_id="list_addon_templates",
    openapi_extra=SHOW,
    responses={**json_response(AddonTemplates, headers=TAGGED), **NOT_MODIFIED, **problems(HTTPStatus.FORBIDDEN)},
)
async def list_addon_templates(request: Request, services: Services, who: CallerDep) -> Response:
    """Every addon template, for who may create an addon somewhere; with its text for who may get it in Kubernetes."""
    await _require_addon(services, who)
    with_text = await services.reviews.may_get_templates(who)
    found = sorted(await services.cluster.addon_templates(), key=lambda one: one.name)
    content = AddonTemplates(items=[_item(one, with_text=with_text) for one in found])
    return tagged(request, content.model_dump(mode="json", by_alias=True, exclude_none=True))


@router.get(
    "/nodetemplates",
    summary="List node templates",
    operation_id="list_node_templates",
    openapi_extra=SHOW,
    responses={**json_response(NodeTemplates, headers=TAGGED), **NOT_MODIFIED, **problems(HTTPStatus.FORBIDDEN)},
)
async def list_node_templates(request: Request, services: Services, who: CallerDep) -> Response:
    """Every node template and what it runs, in order, for who may create an addon somewhere."""
    await _require_addon(services, who)
    found = sorted(await services.cluster.node_templates(), key=lambda one: one.name)
    items = [
        NodeTemplateItem(name=one.name, description=one.description, addon_templates=list(one.addon_templates))
        for one in found
    ]
    return tagged(request, NodeTemplates(items=items).model_dump(mode="json", by_alias=True))


async def _require_addon(services: Dependencies, who: Caller) -> None:
    """Raises Problem (403) for who may create no addon anywhere."""
    await services.permissions.reach(who, JobType.ADDON)


def _item(template: AddonTemplate, *, with_text: bool) -> AddonTemplateItem:
    return AddonTemplateItem(
        name=template.name,
        description=template.description,
        required=template.required,
        gpu_vendor=template.gpu_vendor or "",
        script=template.script if with_text else None,
        check=(template.check or "") if with_text else None,
    )

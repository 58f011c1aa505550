"""GET /api/v1/nodes: the machines, who works on them, what happened last (contract: the command line, the console)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from service.api.caller import CallerDep, visible, within_caller_limit
from service.api.dependencies import Dependencies, Services
from service.api.etags import tagged
from service.api.node_parameters import node_query
from service.api.openapi import NODES, NOT_MODIFIED, TAGGED, json_response, problems
from service.api.responses import JobOnNode, ListedNode, ListedNodes
from service.domain.cluster_objects import Node
from service.domain.job import rfc3339
from service.domain.list_query import Visible
from service.domain.node_list import A_PERSON, ANOTHER_JOB, LastJobs, Work, cordoned_by, shown_labels

router = APIRouter(prefix="/api/v1", dependencies=[Depends(within_caller_limit)])


@router.get(
    "/nodes",
    summary="List nodes",
    operation_id="list_nodes",
    openapi_extra=NODES,
    responses={
        **json_response(ListedNodes, headers=TAGGED),
        **NOT_MODIFIED,
        **problems(HTTPStatus.BAD_REQUEST),
    },
)
async def list_nodes(request: Request, services: Services, who: CallerDep) -> Response:
    """One page of the nodes that the caller may see, by name; what is known of them is some seconds old at most."""
    allowed = services.node_labels
    query = node_query(request.query_params, allowed)
    seen = await visible(services, who)
    workspaces = frozenset(workspace for _, workspace in seen.workspaces)
    label = services.submission.workspace_label
    found = [
        node
        for node in (await services.cluster.recent_nodes() if seen.everywhere or workspaces else ())
        if (seen.everywhere or node.labels.get(label) in workspaces)
        and query.matches(node, node.labels.get(label, ""), shown_labels(node, allowed))
    ]
    page = found[query.offset : query.offset + query.limit]
    content = ListedNodes(total_count=len(found), items=await _items(services, seen, page))
    return tagged(request, content.model_dump(mode="json", by_alias=True, exclude_none=True))


async def _items(services: Dependencies, seen: Visible, page: list[Node]) -> list[ListedNode]:
    if not page:
        return []
    names = [node.name for node in page]
    locks = await services.cluster.node_locks()
    last = await services.records.last_jobs(services.submission.cluster_id, names)
    shown = _Shown(services, seen, page, locks, last)
    shown.works = await services.records.works(shown.job_ids, names)
    return [shown.item(node) for node in page]


class _Shown:
    """A page of nodes as one caller sees them."""

    def __init__(
        self,
        services: Dependencies,
        seen: Visible,
        page: list[Node],
        locks: Mapping[str, str],
        last: Mapping[str, LastJobs],
    ) -> None:
        self._labels = services.node_labels
        self._workspace_label = services.submission.workspace_label
        self._seen, self._locks, self._last = seen, locks, last
        self.works: Mapping[str, Work] = {}
        at_work = {self._locks.get(node.name, "") for node in page} | {cordoned_by(node) for node in page}
        at_work |= {job_id for one in last.values() for job_id in (one.job, one.preflight)}
        #: Every job that the page may name.
        self.job_ids = at_work - {"", A_PERSON}

    def item(self, node: Node) -> ListedNode:
        last = self._last.get(node.name, LastJobs())
        cordon = cordoned_by(node)
        return ListedNode(
            name=node.name,
            workspace=node.labels.get(self._workspace_label, ""),
            labels=shown_labels(node, self._labels),
            ready=node.ready,
            cordoned=node.unschedulable,
            cordoned_by=cordon if cordon in ("", A_PERSON) else self._named(cordon),
            locked_by=self._named(self._locks.get(node.name, "")),
            last_preflight=self._job(node, last.preflight),
            last_job=self._job(node, last.job),
        )

    def _named(self, job_id: str) -> str:
        return job_id if not job_id or self._may_see(job_id) else ANOTHER_JOB

    def _may_see(self, job_id: str) -> bool:
        work = self.works.get(job_id)
        return work is not None and self._seen.includes(work.type, work.cluster_id, work.workspace_id, work.user_id)

    def _job(self, node: Node, job_id: str) -> JobOnNode | None:
        if not job_id:
            return None
        if not self._may_see(job_id) or node.name not in self.works[job_id].nodes:
            return JobOnNode(job_id=ANOTHER_JOB, type="", phase="", time="")
        work = self.works[job_id]
        phase, moment = work.nodes[node.name]
        known: dict[str, Any] = {"type": work.type.value, "phase": phase.value, "time": rfc3339(moment)}
        return JobOnNode(job_id=job_id, **known)

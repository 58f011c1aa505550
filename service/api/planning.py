"""From an order to what it comes to in the cluster, with the nodes in the audit log whatever comes of it."""

from fastapi import Request

from service.api import audit
from service.api.dependencies import Dependencies
from service.domain.cluster_objects import Caller
from service.jobs.order import Order
from service.jobs.submit import Resolved


async def resolved(request: Request, services: Dependencies, who: Caller, order: Order) -> Resolved:
    """As Submission.select and .prepare, which say what is raised."""
    selection = await services.submission.select(order, who)
    if selection.placed:
        audit.note(request, nodes=list(selection.plan.names))
    return await services.submission.prepare(order, who, selection)

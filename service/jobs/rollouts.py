"""What a rollout adds to the work of a job: its nodes in its order, its file, its limits (contract: Rollouts)."""

from dataclasses import replace

from service.domain.job import Plan
from service.domain.request_faults import Fault, FaultCode
from service.domain.rollout_plan import resolve
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.preparation import MAX_FILES_BYTES, Work
from workflow_templates.protocol import rollout


def rolled_out(work: Work, order: Order, selection: Selection, *, failure_limit: int) -> Work:
    """The work as the order's rollout goes over the nodes; unchanged where the order has none.

    `failure_limit`: how many nodes may fail where the rollout does not say it.
    """
    wanted = order.options.get("rollout")
    if wanted is None:
        return work
    batch_count = order.options.get("batchCount")
    found = resolve(wanted, selection.nodes, batch_count=batch_count, failure_limit=failure_limit)
    faults = found.faults
    if order.retry:  # that the nodes left have no such label is nothing to refuse
        faults = tuple(fault for fault in faults if fault.code is not FaultCode.UNKNOWN_LABEL)
    files = {**work.files, rollout.FILE: found.rollout.text()}
    if sum(len(text.encode()) for text in files.values()) > MAX_FILES_BYTES:
        message = f"its nodes and groups and what is run come to more than {MAX_FILES_BYTES} bytes: take fewer nodes"
        faults = (*faults, Fault("rollout", message, FaultCode.LIMIT_EXCEEDED))
    planned = {node.name: node for node in selection.plan.nodes}
    # Where phases leave nodes over this is no plan; it has a fault then.
    ordered = [*found.rollout.nodes, *(name for name in planned if name not in found.rollout.phase_of)]
    return replace(
        work,
        parameters={**work.parameters, **found.rollout.parameters},
        files=files,
        plan=Plan(tuple(planned[name] for name in ordered), selection.plan.excluded),
        rollout=found,
        faults=(*work.faults, *faults),
    )

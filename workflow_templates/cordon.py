"""A cordon that is marked with the job it is for and goes back to what was there before (design rule 5)."""

from collections.abc import Callable

from workflow_templates.cluster import Cluster, ConflictError, Object

CORDONED_BY = "opsjob.io/cordoned-by"
CORDONED_BEFORE = "opsjob.io/cordoned-before"
#: On a node that a job left cordoned on purpose: which job, and why. A person uncordons it.
LEFT_CORDONED = "opsjob.io/left-cordoned"


def cordoning(node: Object, job: str) -> Object | None:
    """The change that cordons a node for this job; None: it is done already.

    A mark that an ended job left behind says more about the node than spec.unschedulable, which that job had set.
    """
    marks = node["metadata"].get("annotations") or {}
    unschedulable = bool((node.get("spec") or {}).get("unschedulable"))
    if marks.get(CORDONED_BY) == job and unschedulable:
        return None
    before = marks.get(CORDONED_BEFORE) == "true" if CORDONED_BY in marks else unschedulable
    annotations: Object = {CORDONED_BY: job, CORDONED_BEFORE: "true" if before else "false"}
    if LEFT_CORDONED in marks and not unschedulable:
        annotations[LEFT_CORDONED] = None  # a person has uncordoned it since
    return {"metadata": {"annotations": annotations}, "spec": {"unschedulable": True}}


def uncordoning(node: Object, job: str) -> Object | None:
    """The change that puts a node back to how it was before this job; None: the mark is not this job's."""
    marks = node["metadata"].get("annotations") or {}
    if marks.get(CORDONED_BY) != job:
        return None
    return {
        "metadata": {"annotations": {CORDONED_BY: None, CORDONED_BEFORE: None}},
        # null, not false: the field goes, and the node reads as if nobody had been there
        "spec": {"unschedulable": True if marks.get(CORDONED_BEFORE) == "true" else None},
    }


def leaving(node: Object, job: str, why: str) -> Object | None:
    """The change that leaves a node cordoned when its job ends; None: the mark is not this job's.

    Without our marks nobody puts it back: neither the job's clean-up, nor the service, nor a later job.
    """
    if (node["metadata"].get("annotations") or {}).get(CORDONED_BY) != job:
        return None
    annotations = {CORDONED_BY: None, CORDONED_BEFORE: None, LEFT_CORDONED: f"job {job}: {why}"}
    return {"metadata": {"annotations": annotations}, "spec": {"unschedulable": True}}


def cordon(cluster: Cluster, name: str, job: str) -> bool:
    """Cordon the node for this job; answers whether that changed it. Raises LookupError: there is no such node."""
    while True:
        node = cluster.get(_path(name))
        if node is None:
            raise LookupError(f"node {name} is gone from the cluster")
        change = cordoning(node, job)
        if change is None:
            return False
        try:
            cluster.patch(node, _path(name), change)
        except ConflictError:
            continue
        return True


def restore(cluster: Cluster, name: str, job: str) -> bool:
    """Put this job's cordon back to what it was; answers whether there was one."""
    return _change(cluster, name, lambda node: uncordoning(node, job))


def leave(cluster: Cluster, name: str, job: str, why: str) -> bool:
    """Have the node stay cordoned beyond this job; answers whether it was this job that had cordoned it."""
    return _change(cluster, name, lambda node: leaving(node, job, why))


def _change(cluster: Cluster, name: str, decide: Callable[[Object], Object | None]) -> bool:
    while True:
        node = cluster.get(_path(name))
        change = decide(node) if node else None
        if node is None or change is None:
            return False
        try:
            cluster.patch(node, _path(name), change)
        except ConflictError:
            continue
        return True


def _path(name: str) -> str:
    return f"/api/v1/nodes/{name}"

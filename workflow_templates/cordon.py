"""Cordoning a node for a job, and giving it back as it was (design rule 5)."""

from collections.abc import Callable

from workflow_templates import locks
from workflow_templates.kubernetes_api import Cluster, ConflictError, Object
from workflow_templates.protocol import cordon_patches, labels
from workflow_templates.protocol.api_path import api_path


def cordon(cluster: Cluster, name: str, job: str) -> bool:
    """Cordon the node for this job; returns whether that changed it. Raises LookupError: there is no such node."""
    while True:
        node = _read(cluster, name)
        change = cordon_patches.cordoning(node, job)
        if change is None:
            return False
        try:
            cluster.patch(node, _path(name), change)
        except ConflictError:
            continue
        return True


def note(cluster: Cluster, name: str, job: str) -> cordon_patches.CordonNote:
    """Note at its lock, once, how the node was before it was cordoned for this job; returns the note.

    Raises:
        LookupError: there is no such node.
        LostError: the node is not locked by this job.
    """
    lock = locks.own(cluster, name, job)
    if lock and (noted := cordon_patches.noted(lock)):
        return noted
    made = cordon_patches.note_of(_read(cluster, name), cluster.now())
    locks.note(cluster, name, job, {labels.CORDON_NOTE: made.text()})
    return made


def restore(cluster: Cluster, name: str, job: str) -> bool:
    """Put the node back to how it was before this job; returns whether there was something to put back."""
    lock = locks.own(cluster, name, job)
    noted = cordon_patches.noted(lock) if lock else None
    return _change(cluster, name, lambda node: cordon_patches.giving_back(node, job, noted))


def leave(cluster: Cluster, name: str, job: str, why: str) -> bool:
    """Have the node stay cordoned beyond this job; returns whether it was this job that had cordoned it."""
    return _change(cluster, name, lambda node: cordon_patches.leaving(node, job, why))


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


def _read(cluster: Cluster, name: str) -> Object:
    node = cluster.get(_path(name))
    if node is None:
        raise LookupError(f"node {name} is gone from the cluster")
    return node


def _path(name: str) -> str:
    return api_path("v1", "nodes", name=name)

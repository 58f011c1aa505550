"""Which nodes of a job have ended, as its own Workflow shows it, also those that could not note it in the ledger."""

import time
from collections.abc import Callable, Iterable

from workflow_templates import own_workflow
from workflow_templates.kubernetes_api import Cluster, Object

_FINAL = ("Succeeded", "Failed", "Error", "Skipped", "Omitted")
#: A large Workflow is not read at each look: as a rule the ledger and the pods know more.
_OLD_SECONDS = 30.0


def final_phases(found: Object, kind: str) -> dict[str, str]:
    """Node → phase of the entry of this kind that stands for all of the job's work at it, where that is final."""
    return {
        own_workflow.node_of(step): str(step["phase"])
        for step in own_workflow.steps(found)
        if step.get("type") == kind and step.get("templateName") == "node" and step.get("phase") in _FINAL
    }


class EndedNodes:
    """Returns the nodes that have ended, and those of them that failed.

    Args:
        cluster: The Kubernetes API.
        job: Whose nodes.
        ended: Returns those that have ended by a Workflow.
        failed: Returns those of them that failed.
    """

    def __init__(
        self,
        cluster: Cluster,
        job: str,
        *,
        ended: Callable[[Object], Iterable[str]],
        failed: Callable[[Object], Iterable[str]],
    ) -> None:
        self._cluster = cluster
        self._job = job
        self._ended_by, self._failed_by = ended, failed
        self._read_at = float("-inf")
        self._ended: frozenset[str] = frozenset()
        self._failed: frozenset[str] = frozenset()

    def __call__(self) -> tuple[frozenset[str], frozenset[str]]:
        if time.monotonic() > self._read_at + _OLD_SECONDS:
            self._read_at = time.monotonic()
            found = own_workflow.read(self._cluster, self._job, cached=True)
            self._ended = frozenset(self._ended_by(found)) if found else frozenset()
            self._failed = frozenset(self._failed_by(found)) if found else frozenset()
        return self._ended, self._failed

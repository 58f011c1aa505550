"""Which nodes of an addon job have ended, also those whose pods were lost before they could note it in the ledger."""

import time

from workflow_templates import own_workflow
from workflow_templates.addon import failure_limit
from workflow_templates.kubernetes_api import Cluster, Object

_FINAL = ("Succeeded", "Failed", "Error", "Skipped", "Omitted")
#: A large Workflow is not read at each look: what it knows beyond the pods is not urgent.
_OLD_SECONDS = 30.0


def entries(found: Object) -> dict[str, str]:
    """Node → phase of Argo's entry that stands for all attempts at it, where that is final."""
    return {
        str(own_workflow.parameters(step.get("inputs") or {}).get("node")): str(step["phase"])
        for step in own_workflow.steps(found)
        if step.get("type") == "Retry" and step.get("templateName") == "node" and step.get("phase") in _FINAL
    }


class Ends:
    """Returns the nodes that have ended, and those of them that failed."""

    def __init__(self, cluster: Cluster, job: str) -> None:
        self._cluster = cluster
        self._job = job
        self._read_at = float("-inf")
        self._ended: set[str] = set()
        self._failed: set[str] = set()

    def __call__(self) -> tuple[set[str], set[str]]:
        if time.monotonic() > self._read_at + _OLD_SECONDS:
            self._read_at = time.monotonic()
            found = own_workflow.read(self._cluster, self._job, cached=True)
            self._ended = set(entries(found)) if found else set()
            self._failed = failure_limit.failed_entries(found) if found else set()
        failed = self._failed | failure_limit.failed_so_far(self._cluster, self._job)
        return self._ended | failed, failed

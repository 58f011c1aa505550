"""Which nodes of a rollout of reboots have ended, also those that could not note it in the ledger."""

import time

from workflow_templates import own_workflow
from workflow_templates.kubernetes_api import Cluster, Object
from workflow_templates.protocol import exit_codes

_FINAL = ("Succeeded", "Failed", "Error", "Skipped", "Omitted")
#: A large Workflow is not read at each look: as a rule the ledger knows more.
_OLD_SECONDS = 30.0


def ended(found: Object) -> dict[str, str]:
    """Node → phase of its turn, where that is final."""
    return {
        _node(step): str(step["phase"])
        for step in own_workflow.steps(found)
        if step.get("type") == "DAG" and step.get("templateName") == "node" and step.get("phase") in _FINAL
    }


def failed(found: Object) -> set[str]:
    """The nodes whose turn failed, but for those that were not begun."""
    unbegun = {
        _node(step)
        for step in own_workflow.steps(found)
        if step.get("templateName") == "begin"
        and (step.get("outputs") or {}).get("exitCode") == str(exit_codes.NOT_BEGUN)
    }
    return {node for node, phase in ended(found).items() if phase in ("Failed", "Error")} - unbegun


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
            self._ended = set(ended(found)) if found else set()
            self._failed = failed(found) if found else set()
        return self._ended, self._failed


def _node(step: Object) -> str:
    return str(own_workflow.parameters(step.get("inputs") or {}).get("node"))

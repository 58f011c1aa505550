"""Wait while the job is paused: what a job without a ledger asks before it begins a node (contract: Rollouts)."""

import time

from workflow_templates import own_workflow, sigterm, step_output
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol import may_begin, node_state
from workflow_templates.protocol.may_begin import Control

_LOOK_SECONDS = 2.0
_LOOK_SECONDS_AT_MOST = 10.0


class EndedError(Exception):
    """The step was stopped while the job was paused, or the cluster frozen, before it touched anything.

    The message says by whom, and why.
    """


def wait(cluster: Cluster, job: str, what: str) -> None:
    """Return when the job is not paused, which is at once as a rule. `what` waits, as the log says it.

    Raises:
        EndedError: the step was stopped meanwhile, where it hears that (sigterm.raising).
    """
    if not (paused := _paused(cluster, job)):
        return
    try:
        _wait(cluster, job, what, paused)
    except sigterm.StoppedError as stopped:
        raise EndedError(may_begin.paused_by(paused).sentence) from stopped


def _wait(cluster: Cluster, job: str, what: str, paused: str) -> None:
    said, seconds = "", _LOOK_SECONDS
    while paused:
        if paused != said:
            said = paused
            step_output.log(f"{what} waits: {may_begin.paused_by(paused).sentence}")
        time.sleep(seconds)
        seconds = min(seconds * 1.5, _LOOK_SECONDS_AT_MOST)
        paused = _paused(cluster, job)


def _paused(cluster: Cluster, job: str) -> str:
    """Who paused the job, and why; empty: it is not paused. Where its Workflow is gone this pod soon is too."""
    return Control.of(node_state.annotations(own_workflow.read_metadata(cluster, job) or {})).paused

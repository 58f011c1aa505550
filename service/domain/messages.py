"""What Argo and Kubernetes say, as a sentence for the person who has to act on it.

Neither gives a code for how a step ended: their sentences are matched here. Those of our own steps never are: their
exit codes and output parameters say what a program may compare.
"""

import re
from collections.abc import Iterable, Sequence

from service.domain.job import NodePhase, PlannedNode
from service.domain.workflow import Step
from workflow_templates.protocol import argo_message, exit_codes

STOPPED = "was stopped while it worked"
STOPPED_BEFORE = "was stopped before it began"
TIMED_OUT = "was still working when the job's timeout passed"
TIMED_OUT_BEFORE = "had not begun when the job's timeout passed"
WENT_AWAY = "node went away (rebooted or crashed) while the script ran"

#: Reasons the kubelet gives for containers it lost sight of, and the exit code that goes with them.
_LOST = re.compile(r"ContainerStatusUnknown|imminent node shutdown|NodeShutdown|^Unknown$")
_EXIT_LOST = 255
#: What every pod says on its way up: no reason to show that it waits.
_ON_ITS_WAY = re.compile(r"^(PodInitializing|ContainerCreating|Pending|Backoff for .*|Retrying in .*)?$")

#: Longer lists of nodes do not help in one sentence; the plan has them all.
_NAMED = 5


def cause(step: Step) -> str:
    """Why a step failed: its own sentence where it left one, and the exit code."""
    if timed_out(step.message):
        return TIMED_OUT if _worked(step) else TIMED_OUT_BEFORE
    ended = argo_message.ended(step.message)
    if ended is None:
        return _from_outside(step)
    text, code, reason = ended.text, ended.code, ended.reason
    # A step that was killed wrote what it was at before, if anything; no step of ours ends with 255 by itself.
    at_work = f": {text}" if text else ""
    if code == _EXIT_LOST or _LOST.search(reason):
        # The text is the kubelet's where it found no container.
        return WENT_AWAY if reason == "ContainerStatusUnknown" else f"{WENT_AWAY}{at_work}"
    if reason == "OOMKilled":
        return f"ran out of memory (exit code {code}){at_work}"
    if not text:
        return f"failed with exit code {code}"
    without_code = code in (exit_codes.WAITING, exit_codes.NOT_BEGUN, exit_codes.NOT_STARTED)
    return text if without_code else argo_message.with_code(text, code)


def timed_out(message: str) -> bool:
    return "exceeded its deadline" in message or "longer than the specified deadline" in message


def stopped(message: str) -> bool:
    """Whether Argo says that the job was stopped or terminated."""
    return "shutdown with strategy" in message or "Stopped with strategy" in message


def pod_deleted(message: str) -> bool:
    return message == "pod deleted"


def invalid_spec(message: str) -> bool:
    """Whether Argo could not run the Workflow as it is."""
    return message.startswith("invalid spec")


def holding_up(step: Step) -> str:
    """Why a step that has not begun does not begin; empty: it is only on its way, or the job is being ended."""
    return "" if _ON_ITS_WAY.match(step.message) or stopped(step.message) else cause(step)


def turned_away(attempts: Sequence[Step], known: str = "") -> str:
    """Why attempts, in their order, ended without having begun; `known` is the message of before.

    Argo learns a step's own sentence a moment after its exit code: until then the one before it is the better.
    """
    explained = next((step for step in reversed(attempts) if step.message), None)
    return cause(explained) if explained else known or "its node is busy or locked by another job"


def not_begun(why: str = "") -> str:
    return f"not begun: {why}" if why else "not begun"


def on_node(node: PlannedNode) -> str:
    """A node's message with its name, once."""
    named = re.search(rf"(?<![\w.-]){re.escape(node.name)}(?![\w-]|\.\w)", node.message)
    return node.message if named else f"node {node.name}: {node.message or 'no reason is known'}"


def listed(sentences: Iterable[str], more: str = "nodes") -> str:
    """The first few sentences, and how many there are beyond them."""
    every = list(sentences)
    text = "; ".join(every[:_NAMED])
    beyond = len(every) - _NAMED
    return f"{text}; and {beyond} more {more}" if beyond > 0 else text


def tally(nodes: Sequence[PlannedNode]) -> str:
    """How many of the planned nodes ended how, in words; empty where no node was planned."""
    if not nodes:
        return ""
    counts = {phase: sum(node.phase is phase for node in nodes) for phase in NodePhase}
    parts = [f"{counts[NodePhase.SUCCEEDED]} of {len(nodes)} {'node' if len(nodes) == 1 else 'nodes'} succeeded"]
    if counts[NodePhase.FAILED]:
        parts.append(f"{counts[NodePhase.FAILED]} failed")
    if counts[NodePhase.SKIPPED]:
        parts.append(f"{counts[NodePhase.SKIPPED]} never begun")
    return ", ".join(parts)


def _deleted(step: Step) -> str:
    """Argo writes "pod deleted" over the end of a pod that it took note of twice; only the exit code is left of it."""
    match step.exit_code:
        case None:
            return "its pod was deleted while it worked"
        case code if code == _EXIT_LOST:
            return "its node went away (rebooted or crashed), or its pod was deleted, while it worked"
        case code:
            return f"failed with exit code {code}"


def _worked(step: Step) -> bool:
    """Whether a step had begun when it was ended; of a group of steps it is taken to have."""
    return not step.is_pod or step.begun or step.perhaps_begun


def _from_outside(step: Step) -> str:
    """A message that no container left behind: Argo's or the kubelet's own."""
    message = step.message.strip()
    if stopped(message):
        return STOPPED if _worked(step) else STOPPED_BEFORE
    if _LOST.search(message):
        return WENT_AWAY
    if pod_deleted(message):
        return _deleted(step)
    if not message and step.exit_code is not None:
        return f"failed with exit code {step.exit_code}"
    return message or "failed without a reason given"

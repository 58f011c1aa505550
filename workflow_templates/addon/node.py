"""One node's work: limits, node lock, (idle, cordon), addon templates, and the node back as it was."""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from workflow_templates import busy_pods, cordon, held_back, locks, sigterm, step_output, until_unfrozen
from workflow_templates.addon import run_addons
from workflow_templates.addon.limits import Limits, NotBegunError
from workflow_templates.addon.node_outcome import Outcome
from workflow_templates.host import Host
from workflow_templates.kubernetes_api import Cluster, ClusterError, Object, UnavailableError
from workflow_templates.protocol import exit_codes, labels, node_lock, node_state, rollout
from workflow_templates.protocol.ledger import State

#: The scheduler may have bound a pod in the moment before it saw our cordon.
_SETTLE_SECONDS = 2.0
#: Of the 30 s that a stopped pod has, what is left after its script was ended.
_STOPPED_PATIENCE_SECONDS = 15.0


class WaitError(Exception):
    """Not now: nothing was touched but our own lock and cordon, and the node is tried again later."""


@dataclass(frozen=True, slots=True)
class Step:
    job: str
    node: str
    planned: int
    required: int
    security_upgrade: bool
    #: How many nodes the job works on at a time; as many more may wait cordoned.
    batch_count: int
    tolerate_all: bool
    system_namespaces: frozenset[str]
    snapshot: Path
    #: The job's rollout; a job without one has no such file.
    rollout: Path
    outcome: Path


def main() -> int:
    step = _step(sys.argv[1:])
    host = Host(step.job, env={"NODE_NAME": step.node})
    return end(step, lambda outcome: work(step, Cluster.in_pod(), host, outcome))


def end(step: Step, do: Callable[[Outcome], None]) -> int:
    """Do the work and say how it ended: the exit code for Argo, a sentence for people, the outcome for the report."""
    outcome = Outcome(step.node)
    try:
        do(outcome)
    except (WaitError, held_back.EndedError, locks.HeldError, locks.LostError, UnavailableError) as reason:
        step_output.write_termination_message(str(reason))
        return exit_codes.WAITING
    except NotBegunError as reason:
        outcome.result, outcome.message, code = "skipped", str(reason), exit_codes.NOT_BEGUN
    except (ClusterError, LookupError, OSError) as fault:
        outcome.fail(str(fault))
        code = 1
    except sigterm.StoppedError:
        outcome.fail(_stopped(outcome))
        code = sigterm.EXIT_STOPPED
    else:
        code = 1 if outcome.result == "failed" else 0
    step.outcome.write_text(outcome.text(step.planned), encoding="utf-8")
    step_output.write_termination_message(outcome.message or f"node {step.node} is done")
    return code


def work(step: Step, cluster: Cluster, host: Host, outcome: Outcome) -> None:
    """Raises WaitError, HeldError, UnavailableError before anything ran; StoppedError at any time."""
    limits = Limits(cluster, step.job, step.node, step.planned, step.required, step.rollout)
    with sigterm.raising():
        try:
            _wait_while_frozen(step, cluster)
            limits.begin()
            locks.take(cluster, step.node, step.job)
            _refuse_if_unfit(step, cluster)
            if step.security_upgrade:
                _make_idle(step, cluster)
            node = _node(step, cluster)
            limits.ask_again()
            _note_begun(step, cluster, node)
            run_addons.run_all(run_addons.read(step.snapshot), host, node, outcome)
        except UnavailableError:
            raise  # what is locked stays locked, and what has begun goes on, when the node is tried again
        except (WaitError, held_back.EndedError, locks.HeldError, locks.LostError):
            limits.note(State.NOT_BEGUN)  # its place is another node's meanwhile
            raise
        except BaseException as reason:
            if isinstance(reason, sigterm.StoppedError):
                cluster.patience = _STOPPED_PATIENCE_SECONDS
            _give_back(step, cluster, host)
            limits.note(State.SKIPPED if isinstance(reason, NotBegunError) else State.FAILED)
            raise
        _give_back(step, cluster, host)
        limits.note(State.FAILED if outcome.result == "failed" else State.SUCCEEDED)


def _wait_while_frozen(step: Step, cluster: Cluster) -> None:
    """A node whose scripts have begun goes on; one that waits for its workloads is given back as it was, and waits."""
    if until_unfrozen.read(cluster) is None:
        return
    if lock := locks.own(cluster, step.node, step.job):
        begun = node_lock.work(lock)
        if begun and begun.job == step.job:
            return
        cordon.restore(cluster, step.node, step.job)
        locks.release(cluster, step.node, step.job)
    until_unfrozen.wait(cluster, f"node {step.node}")


def _refuse_if_unfit(step: Step, cluster: Cluster) -> None:
    """A node is planned though another job works on it; whether that made it fit is seen under the lock."""
    if why := node_state.unfit(_node(step, cluster), tolerate_all=step.tolerate_all):
        raise NotBegunError(f"node {step.node} {why}")


def _make_idle(step: Step, cluster: Cluster) -> None:
    """Where it may wait cordoned, no new pod lands on the node while it waits; else it is tried again as it was."""
    if not _is_cordoned_for(step, cluster) and (busy := _busy(step, cluster)) and not _may_wait_cordoned(step, cluster):
        _let_others_wait(step, cluster, busy)
    if cordon.cordon(cluster, step.node, step.job):
        time.sleep(_SETTLE_SECONDS)
    cordon.note(cluster, step.node, step.job)
    if busy := _busy(step, cluster):
        if not _may_wait_cordoned(step, cluster):
            _let_others_wait(step, cluster, busy)
        raise WaitError(busy)


def _is_cordoned_for(step: Step, cluster: Cluster) -> bool:
    node = _node(step, cluster)
    return node_state.is_cordoned(node) and node_state.annotations(node).get(labels.CORDONED_BY) == step.job


def _busy(step: Step, cluster: Cluster) -> str:
    """What keeps the node busy, as a sentence; empty: it is idle."""
    pods = busy_pods.on_node(cluster, step.node, step.job, step.system_namespaces)
    more = f" and {len(pods) - 1} more" if len(pods) > 1 else ""
    return f"node {step.node} is busy: pod {pods[0]}{more} runs on it" if pods else ""


def _may_wait_cordoned(step: Step, cluster: Cluster) -> bool:
    """At most batchCount nodes of a job wait cordoned (contract: securityUpgrade).

    Each says first that it does, and then counts: of two that do so at once perhaps none may, but never one too many.
    """
    lock = locks.own(cluster, step.node, step.job)
    if lock and labels.WAITS_CORDONED in node_state.annotations(lock):
        return True
    locks.note(cluster, step.node, step.job, {labels.WAITS_CORDONED: "true"})
    others = locks.held(cluster, step.job).values()
    return sum(labels.WAITS_CORDONED in node_state.annotations(other) for other in others) <= step.batch_count


def _let_others_wait(step: Step, cluster: Cluster, busy: str) -> NoReturn:
    """Give the node back as it was; raises WaitError."""
    cordon.restore(cluster, step.node, step.job)
    locks.release(cluster, step.node, step.job)
    raise WaitError(f"{busy}; it is not cordoned, because {step.batch_count} others of the job wait cordoned")


def _note_begun(step: Step, cluster: Cluster, node: Object) -> None:
    """From here on the lock outlives the job until the work on the host has ended.

    Raises LostError: this pod was cut off for so long that another job has the node.
    """
    work = node_lock.Work(step.job, node_state.boot_id(node) or "unknown")
    locks.note(cluster, step.node, step.job, {labels.WORK_BEGUN: work.text(), labels.WAITS_CORDONED: None})


def _node(step: Step, cluster: Cluster) -> Object:
    node = cluster.get(f"/api/v1/nodes/{step.node}")
    if node is None:
        raise LookupError(f"node {step.node} is gone from the cluster")
    return node


def _give_back(step: Step, cluster: Cluster, host: Host) -> None:
    """The cordon first: the job that gets the lock next must find the node as it was.

    What cannot be given back now is left to the exit handler; the outcome of what ran does not change by it.
    """
    sigterm.ignore()
    host.clean()
    try:
        cordon.restore(cluster, step.node, step.job)
        locks.release(cluster, step.node, step.job)
    except ClusterError as fault:
        step_output.log(f"node {step.node} is given back later: {fault}")


def _stopped(outcome: Outcome) -> str:
    ran = f" while addon template {outcome.templates[-1].name} ran" if outcome.templates else " before anything ran"
    return f"stopped on node {outcome.node}{ran}"


def _step(arguments: list[str]) -> Step:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--planned", type=int, required=True)
    parser.add_argument("--required", type=int, required=True)
    parser.add_argument("--security-upgrade", choices=("true", "false"), default="false")
    parser.add_argument("--batch-count", type=int, default=1)
    parser.add_argument("--tolerate-all", choices=("true", "false"), default="false")
    parser.add_argument("--system-namespaces", type=lambda text: frozenset(text.split(",")), default=frozenset())
    parser.add_argument("--snapshot", type=Path, default=Path("/etc/opsjob/addons.json"))
    parser.add_argument("--rollout", type=Path, default=Path("/etc/opsjob") / rollout.FILE)
    parser.add_argument("--outcome", type=Path, default=Path("/tmp/outcome.json"))  # noqa: S108 - the pod's own
    parsed = parser.parse_args(arguments)
    flags = {name: getattr(parsed, name) == "true" for name in ("security_upgrade", "tolerate_all")}
    return Step(**{**vars(parsed), **flags})


if __name__ == "__main__":
    sys.exit(main())

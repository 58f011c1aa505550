"""One node's work: ratio, Lease, (cordon, idle), addon templates, and the node back as it was."""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workflow_templates import cordon, idle, lease, say, stop
from workflow_templates.addon import addons, ratio
from workflow_templates.addon.outcome import Outcome
from workflow_templates.addon.ratio import EXIT_NOT_BEGUN, EXIT_WAITING
from workflow_templates.cluster import Cluster, ClusterError, Object, UnavailableError
from workflow_templates.host import Host

#: The scheduler may have bound a pod in the moment before it saw our cordon.
_SETTLE_SECONDS = 2.0
#: Of the 30 s that a stopped pod has, what is left after its script was ended.
_STOPPED_PATIENCE_SECONDS = 15.0


class WaitError(Exception):
    """Not now: nothing was touched but our own Lease and cordon, and the node is tried again later."""


class NotBegunError(Exception):
    """Not at all: the job can no longer succeed."""


@dataclass(frozen=True, slots=True)
class Step:
    job: str
    node: str
    planned: int
    required: int
    security_upgrade: bool
    system_namespaces: frozenset[str]
    snapshot: Path
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
    except (WaitError, lease.HeldError, UnavailableError) as reason:
        say.last_word(str(reason))
        return EXIT_WAITING
    except NotBegunError as reason:
        outcome.result, outcome.message, code = "skipped", str(reason), EXIT_NOT_BEGUN
    except (ClusterError, LookupError, OSError) as fault:
        outcome.fail(str(fault))
        code = 1
    except stop.StoppedError:
        outcome.fail(_stopped(outcome))
        code = stop.EXIT_STOPPED
    else:
        code = 1 if outcome.result == "failed" else 0
    step.outcome.write_text(outcome.text(step.planned), encoding="utf-8")
    say.last_word(outcome.message or f"node {step.node} is done")
    return code


def work(step: Step, cluster: Cluster, host: Host, outcome: Outcome) -> None:
    """Raises WaitError, HeldError, UnavailableError before anything ran; StoppedError at any time."""
    with stop.heard():
        try:
            before = ratio.failed_before(cluster, step.job)
            _refuse_if_hopeless(step, cluster, before)
            lease.take(cluster, step.node, step.job)
            if step.security_upgrade:
                _make_idle(step, cluster)
            node = _node(step, cluster)
            _refuse_if_hopeless(step, cluster, before)  # others went on meanwhile
            addons.run_all(addons.read(step.snapshot), host, node, outcome)
        except (WaitError, lease.HeldError, UnavailableError):
            raise  # what is held stays held until the node is tried again
        except BaseException as reason:
            if isinstance(reason, stop.StoppedError):
                cluster.patience = _STOPPED_PATIENCE_SECONDS
            _give_back(step, cluster, host)
            raise
        _give_back(step, cluster, host)


def _refuse_if_hopeless(step: Step, cluster: Cluster, before: set[str]) -> None:
    failed = ratio.failed_so_far(cluster, step.job) | before
    if ratio.out_of_reach(step.planned, len(failed), step.required):
        raise NotBegunError(f"not begun: {len(failed)} of {step.planned} nodes failed and {step.required} must succeed")


def _make_idle(step: Step, cluster: Cluster) -> None:
    """No new pod may land on the node while it waits, so the cordon comes first and stays; our Lease guards it."""
    if cordon.cordon(cluster, step.node, step.job):
        time.sleep(_SETTLE_SECONDS)
    if busy := idle.on_node(cluster, step.node, step.job, step.system_namespaces):
        more = f" and {len(busy) - 1} more" if len(busy) > 1 else ""
        raise WaitError(f"node {step.node} is busy: pod {busy[0]}{more} runs on it")


def _node(step: Step, cluster: Cluster) -> Object:
    node = cluster.get(f"/api/v1/nodes/{step.node}")
    if node is None:
        raise LookupError(f"node {step.node} is gone from the cluster")
    return node


def _give_back(step: Step, cluster: Cluster, host: Host) -> None:
    """The cordon first: whoever gets the Lease next must find the node as it was.

    What cannot be given back now is left to the exit handler; the outcome of what ran does not change by it.
    """
    stop.ignored()
    host.clean()
    try:
        cordon.restore(cluster, step.node, step.job)
        lease.release(cluster, step.node, step.job)
    except ClusterError as fault:
        say.log(f"node {step.node} is given back later: {fault}")


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
    parser.add_argument("--system-namespaces", type=lambda text: frozenset(text.split(",")), default=frozenset())
    parser.add_argument("--snapshot", type=Path, default=Path("/etc/opsjob/addons.json"))
    parser.add_argument("--outcome", type=Path, default=Path("/tmp/outcome.json"))  # noqa: S108 - the pod's own
    parsed = parser.parse_args(arguments)
    return Step(**{**vars(parsed), "security_upgrade": parsed.security_upgrade == "true"})


if __name__ == "__main__":
    sys.exit(main())

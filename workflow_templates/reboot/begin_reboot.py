"""Begin a node when the job's rollout lets it, and make it ready to reboot: locked, cordoned, empty, its boot id noted.

What a row of steps does where nodes reboot one after another, in one pod: which stage it is at stands at the node lock.
"""

import argparse
import json
import sys
from pathlib import Path

from workflow_templates import job_ledger, locks, step_output
from workflow_templates.kubernetes_api import Cluster, UnavailableError
from workflow_templates.protocol import exit_codes
from workflow_templates.protocol.ledger import State
from workflow_templates.protocol.rollout import FILE
from workflow_templates.reboot import cordon_node, evict, lane_node, lock_node, note_boot_id, stage

#: What the lists of evicted pods may take of the job's Workflow.
_JOB_BYTES = 100_000
_LEAST_BYTES = 80


def main() -> int:
    arguments = _parser().parse_args()
    cluster = Cluster.in_pod()
    cluster.patience = evict.PATIENCE_SECONDS
    node = lane_node.LaneNode(cluster, arguments.job, arguments.node, arguments.rollout)
    evicted: list[str] = []
    try:
        node.ledger.begin(arguments.node)
        return stage.run(cluster, arguments, lambda: begin(node, arguments, evicted))
    except job_ledger.NeverError as reason:
        step_output.write_termination_message(str(reason))
        return exit_codes.NOT_BEGUN
    except UnavailableError as fault:
        step_output.write_termination_message(str(fault))
        return exit_codes.WAITING
    finally:
        arguments.evicted.write_text(listed(evicted, node.planned), encoding="utf-8")


def begin(node: lane_node.LaneNode, arguments: argparse.Namespace, evicted: list[str]) -> str:
    """Raises HeldError, or WaitError: another job is at the node or the control plane; its place is free meanwhile."""
    cluster, name, job = node.cluster, node.name, node.job
    with node.given_back_on_failure():
        try:
            lock_node.take(cluster, name, job)
        except (locks.HeldError, stage.WaitError):
            node.ledger.note(name, State.NOT_BEGUN)
            raise
        node.is_at("cordon")
        cordon_node.take(cluster, name, job)
        node.is_at("evict")
        since = evict.cordoned_since(cluster, name, job)
        _empty(node, evict.eviction(arguments, since, arguments.seconds, evicted))
        noted = note_boot_id.note(cluster, name, arguments.output)
        node.is_at("reboot")
    return noted


def listed(evicted: list[str], planned: int) -> str:
    """As JSON, in a size that all nodes of the job can afford: the Workflow holds each list twice."""
    room = max(_LEAST_BYTES, _JOB_BYTES // planned)
    kept: list[str] = []
    for name in evicted:
        room -= len(name) + len('"", ')
        if room < 0:
            kept.append(f"and {len(evicted) - len(kept)} more")
            break
        kept.append(name)
    return json.dumps(kept)


def _empty(node: lane_node.LaneNode, eviction: evict.Eviction) -> None:
    while True:
        try:
            evict.empty(node.cluster, eviction)
        except stage.WaitError as reason:
            node.is_at("evict", str(reason))
            continue
        return


def _parser() -> argparse.ArgumentParser:
    parser = stage.parser(__doc__)
    evict.add_arguments(parser)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rollout", type=Path, default=Path("/etc/opsjob") / FILE)
    parser.add_argument("--evicted", type=Path, default=Path("/tmp/evicted.json"))  # noqa: S108 - the pod's own
    parser.set_defaults(output=Path("/tmp/boot-id"))  # noqa: S108 - the pod's own
    return parser


if __name__ == "__main__":
    sys.exit(main())

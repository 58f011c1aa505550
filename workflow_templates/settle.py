"""After the nodes of a phase, where some failed: whether the job goes on, ends, or waits for a person."""

import argparse
import sys
import time
from pathlib import Path

from workflow_templates import job_ledger, step_output
from workflow_templates.kubernetes_api import Cluster, ClusterError, UnavailableError
from workflow_templates.protocol import exit_codes
from workflow_templates.protocol.may_begin import Hold
from workflow_templates.protocol.rollout import FILE

_LOOK_SECONDS = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--rollout", type=Path, default=Path("/etc/opsjob") / FILE)
    arguments = parser.parse_args()
    try:
        why = settle(Cluster.in_pod(), arguments.job, arguments.rollout)
    except UnavailableError as fault:
        step_output.write_termination_message(f"whether job {arguments.job} goes on is looked at later: {fault}")
        return exit_codes.WAITING
    except (ClusterError, LookupError) as fault:
        why = f"whether job {arguments.job} goes on is not known: {fault}"
    step_output.write_termination_message(why or "the next phase may begin")
    return exit_codes.FAILED if why else 0


def settle(cluster: Cluster, job: str, file: Path) -> str:
    """Why the job ends here; empty: it goes on, perhaps because a person has resumed it meanwhile."""
    rollout = job_ledger.read_rollout(file)
    if rollout is None:
        return ""
    ledger = job_ledger.JobLedger(cluster, job, rollout)
    said = ""
    while held := ledger.held_by_failures():
        if held.why is Hold.TOO_MANY_FAILED:
            return held.sentence
        if held.sentence != said:
            step_output.log(said := held.sentence)
        time.sleep(_LOOK_SECONDS)
    return ""


if __name__ == "__main__":
    sys.exit(main())

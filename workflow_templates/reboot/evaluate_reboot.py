"""The verdict on a rollout of reboots: fails if more nodes failed than are tolerated, or some were not begun."""

import argparse
import sys
from pathlib import Path

from workflow_templates import job_ledger, step_output
from workflow_templates.kubernetes_api import Cluster, ClusterError, UnavailableError
from workflow_templates.protocol import exit_codes
from workflow_templates.protocol.rollout import FILE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--rollout", type=Path, default=Path("/etc/opsjob") / FILE)
    arguments = parser.parse_args()
    try:
        verdict = evaluate(Cluster.in_pod(), arguments.job, arguments.rollout)
    except UnavailableError as fault:
        step_output.write_termination_message(f"the nodes of job {arguments.job} are counted later: {fault}")
        return exit_codes.WAITING
    except (ClusterError, LookupError) as fault:
        verdict = f"the nodes of job {arguments.job} could not be counted: {fault}"
    step_output.write_termination_message(verdict or "enough nodes were rebooted")
    return exit_codes.FAILED if verdict else 0


def evaluate(cluster: Cluster, job: str, file: Path) -> str:
    """Why the job failed; empty: it succeeded."""
    rollout = job_ledger.read_rollout(file)
    if rollout is None:
        return f"job {job} has no {file.name}"
    return job_ledger.JobLedger(cluster, job, rollout).verdict()


if __name__ == "__main__":
    sys.exit(main())

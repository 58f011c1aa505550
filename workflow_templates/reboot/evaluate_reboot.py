"""The verdict on a rollout of reboots: fails if more nodes failed than are tolerated, or some were not begun."""

import sys
from pathlib import Path

from workflow_templates import job_ledger, verdict_step
from workflow_templates.kubernetes_api import Cluster


def main() -> int:
    arguments = verdict_step.parser(__doc__).parse_args()
    return verdict_step.end(
        lambda: evaluate(Cluster.in_pod(), arguments.job, arguments.rollout),
        well="enough nodes were rebooted",
        later=f"the nodes of job {arguments.job} are counted later",
        unknown=f"the nodes of job {arguments.job} could not be counted",
    )


def evaluate(cluster: Cluster, job: str, file: Path) -> str:
    """Why the job failed; empty: it succeeded."""
    rollout = job_ledger.read_rollout(file)
    if rollout is None:
        return f"job {job} has no {file.name}"
    return job_ledger.JobLedger(cluster, job, rollout).verdict()


if __name__ == "__main__":
    sys.exit(main())

"""After the nodes of a phase, where some failed: whether the job goes on, ends, or waits for a person."""

import sys
import time
from pathlib import Path

from workflow_templates import job_ledger, step_output, verdict_step
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol.may_begin import Hold

_LOOK_SECONDS = 5.0


def main() -> int:
    arguments = verdict_step.parser(__doc__).parse_args()
    return verdict_step.end(
        lambda: settle(Cluster.in_pod(), arguments.job, arguments.rollout),
        well="the next phase may begin",
        later=f"whether job {arguments.job} goes on is looked at later",
        unknown=f"whether job {arguments.job} goes on is not known",
    )


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

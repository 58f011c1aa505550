"""The verdict without the service: fails if fewer nodes succeeded than must, or the rollout's limit was passed."""

import sys
import time
from dataclasses import dataclass

from workflow_templates import job_ledger, own_workflow, verdict_step
from workflow_templates.addon import ends
from workflow_templates.kubernetes_api import Cluster, Object

#: Argo writes the Workflow after it starts this pod: its last entries may not be there at once.
_SETTLE_SECONDS = 30.0
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Tally:
    """How many nodes the job is for, and which of them ended how."""

    planned: int
    succeeded: frozenset[str]
    failed: frozenset[str]

    @property
    def complete(self) -> bool:
        return len(self.succeeded) + len(self.failed) >= self.planned

    def verdict(self, required: int) -> str:
        """Empty when enough succeeded; else the sentence that says by how much not."""
        if len(self.succeeded) >= required:
            return ""
        sentence = f"{len(self.succeeded)} of {self.planned} nodes succeeded and {required} must"
        names = sorted(self.failed)
        shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")  # noqa: PLR2004
        return f"{sentence}; not done: {shown}" if names else sentence


def main() -> int:
    parser = verdict_step.parser(__doc__)
    parser.add_argument("--required", type=int, required=True)
    arguments = parser.parse_args()
    rollout = job_ledger.read_rollout(arguments.rollout)
    cluster = Cluster.in_pod()

    def decide() -> str:
        if rollout:
            return job_ledger.JobLedger(cluster, arguments.job, rollout).verdict()
        return evaluate(cluster, arguments.job, arguments.required)

    return verdict_step.end(
        decide,
        well="enough nodes succeeded",
        later=f"the nodes of job {arguments.job} are counted later",
        unknown=f"the nodes of job {arguments.job} could not be counted",
    )


def evaluate(cluster: Cluster, job: str, required: int) -> str:
    """The verdict on the job as its Workflow shows it."""
    end = time.monotonic() + _SETTLE_SECONDS
    while True:
        found = own_workflow.read(cluster, job)
        if found is None:
            return f"job {job} is gone"
        counted = tally(found)
        if counted.complete or time.monotonic() > end:
            return counted.verdict(required)
        time.sleep(_LOOK_SECONDS)


def tally(found: Object) -> Tally:
    """Count the entries that stand for whole nodes: Argo's Retry entries, one per item of the loop."""
    ended = ends.entries(found)
    succeeded = frozenset(node for node, phase in ended.items() if phase == "Succeeded")
    return Tally(len(own_workflow.planned(found)), succeeded, frozenset(ended) - succeeded)


if __name__ == "__main__":
    sys.exit(main())

"""What a job type makes of an order: each type has one module here that prepares it (prepare_addon.py, …)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.domain.job import Named, Plan
from service.domain.request_faults import Fault
from service.domain.rollout_plan import RolloutPlan
from service.domain.selection import Selection
from service.jobs.order import Order

#: A ConfigMap holds 1 MiB; some of it is needed for its own fields.
MAX_FILES_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a job's Workflow is created from. With any fault the job is not to be run."""

    #: The Workflow's arguments.
    parameters: Mapping[str, str] = field(default_factory=dict)
    #: Mounted into its steps: file name → text.
    files: Mapping[str, str] = field(default_factory=dict)
    #: Environment of its steps, which may hold secrets: in a Secret, never in the record. None: it has no Secret.
    secret: Mapping[str, str] | None = None
    #: The WorkflowTemplate that runs it, by its key among the installed ones; empty: that of the job's type.
    template: str = ""
    #: Pods of the job at the same time; 0: as many as its type says.
    parallelism: int = 0
    #: Fewer nodes than were selected, or in another order; None: all of them.
    plan: Plan | None = None
    #: How the job goes over its nodes, where the order says it.
    rollout: RolloutPlan | None = None
    #: The job's limit where its type has a default of its own for it; None: as the order or the installation says.
    timeout_second: int | None = None
    #: What the system adds to the inputs (contract: inputs).
    inputs: tuple[Named, ...] = ()
    #: What a person should know of it from the start; it is in the first of the job's conditions.
    note: str = ""
    faults: tuple[Fault, ...] = ()

    def recorded(self) -> dict[str, Any]:
        """As the record keeps it, so that the Workflow can be created from the record alone."""
        recorded: dict[str, Any] = {"parameters": dict(self.parameters), "files": dict(self.files)}
        if self.secret is not None:
            recorded["secret"] = True
        if self.parallelism:
            recorded["parallelism"] = self.parallelism
        return recorded


class Kind(Protocol):
    """One job type, as submission needs it."""

    async def prepare(self, order: Order, selection: Selection) -> Work:
        """Resolve what the selectors do not say. `selection` may have faults of its own: find all faults at once.

        Raises:
            UnavailableError: Kubernetes does not answer.
        """
        ...

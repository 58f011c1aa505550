"""How far a caller's right to create one type of job reaches, before anything in the cluster is looked at."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from service.domain.cluster_objects import Workspace
from service.domain.job import Named

WORKLOAD, WORKSPACE = "workload", "workspace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where a caller may create jobs of one type: in the whole cluster, or in some workspaces."""

    everywhere: bool = False
    #: Workspace id → its namespace, for each in which they may (with `everywhere`: for each there is).
    workspaces: Mapping[str, str] = field(default_factory=dict)
    #: Ids that several namespaces claim, where they may in one of these: no new job is accepted there.
    contested: frozenset[str] = frozenset()

    @classmethod
    def of(cls, workspaces: Iterable[Workspace], namespaces: Container[str], *, everywhere: bool) -> "Reach":
        """From the namespaces in which they may; `everywhere`: in all of them, and where there is no workspace."""
        within = [found for found in workspaces if everywhere or any(name in namespaces for name in found.namespaces)]
        return cls(
            everywhere=everywhere,
            workspaces={found.id: found.namespaces[0] for found in within if len(found.namespaces) == 1},
            contested=frozenset(found.id for found in within if len(found.namespaces) > 1),
        )

    @property
    def but(self) -> str:
        """What to say beside that something is not within reach."""
        listed = ", ".join(sorted(self.contested))
        return f"; in {listed} no new job is accepted: several namespaces are labelled with it" if listed else ""

    def beyond(self, inputs: Sequence[Named]) -> str:
        """Where a job with these inputs would work that is out of reach; empty: nothing is known to be.

        Which workspace a workload is in is not known yet.
        """
        if self.everywhere:
            return ""
        named = _values(inputs, WORKSPACE)
        of_workload = bool(_values(inputs, WORKLOAD))
        known = self.contested | self.workspaces.keys()
        if not named:
            return "" if of_workload and known else "on nodes of no one workspace"
        if len(named) > 1 and not of_workload:
            return "on nodes of several workspaces"
        if known.isdisjoint(named):
            return f"in workspace {' or '.join(map(repr, named))}"
        return ""

    def searched(self, inputs: Sequence[Named]) -> dict[str, str]:
        """The workspaces (id → namespace) in which workloads are looked for: those named, or all within reach."""
        named = _values(inputs, WORKSPACE)
        return {key: namespace for key, namespace in self.workspaces.items() if not named or key in named}


def _values(inputs: Sequence[Named], kind: str) -> list[str]:
    return list(dict.fromkeys(item.value for item in inputs if item.name == kind))

"""A fleet, its workspaces, and people with different rights, for the real service that the console's tests look at."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from service.domain.cluster_objects import AddonTemplate, Caller, Node, NodeTemplate
from service.domain.job import Condition, Job, JobType, NodePhase, Phase, Plan, PlannedNode
from service.domain.log_lines import nanoseconds, rfc3339_nanoseconds
from service.domain.step_pod import StepPod, StepPods
from tests.cli.served import Served
from tests.unit.api.world import World

WORKSPACE = "opsjob.io/workspace"
EVERYTHING = frozenset({"create", "get", "list", "update", "delete"})


def machines(count: int = 96) -> list[Node]:
    """Racks of eight, two workspaces and a few that belong to none; some of them in trouble."""
    found = []
    for number in range(1, count + 1):
        labels = {"rack": f"r{(number - 1) // 8 + 1:02}", "gpu": "h100" if number % 3 else "a100"}
        if number > 8:
            labels[WORKSPACE] = "team" if number % 2 else "vision"
        found.append(Node(f"gpu-{number:04}", labels=labels))
    found[4] = replace(found[4], ready=False)
    found[11] = replace(found[11], unschedulable=True, cordoned=True)
    return found


@dataclass
class Town(World):
    """alice may do everything, carol see everything, and everybody else nothing but what is their own."""

    node_list: list[Node] = field(default_factory=machines)
    locks: dict[str, str] = field(default_factory=dict)
    #: What else each person may do with jobs of each type, in the whole cluster.
    rights: dict[str, frozenset[str]] = field(
        default_factory=lambda: {"alice": EVERYTHING, "carol": frozenset({"get", "list"})}
    )
    #: Node → the lines that its step has written, and whether it goes on.
    lines: dict[str, list[str]] = field(default_factory=dict)
    writing: bool = False

    async def may(self, who: Caller, verb: str, _kind: str, _namespace: str | None) -> bool:
        return verb in self.rights.get(who.user_name, ())

    async def granted(
        self, who: Caller, verb: str, kinds: Iterable[str], _namespaces: Iterable[str]
    ) -> frozenset[tuple[str, str | None]]:
        return frozenset((kind, None) for kind in kinds if verb in self.rights.get(who.user_name, ()))

    async def recent_nodes(self) -> Sequence[Node]:
        return self.node_list

    async def node_locks(self) -> Mapping[str, str]:
        return self.locks

    async def addon_template(self, name: str) -> AddonTemplate | None:
        return next((one for one in await self.addon_templates() if one.name == name), None)

    async def addon_templates(self) -> list[AddonTemplate]:
        return [
            AddonTemplate("check-disks", "df -h", "Looks at the disks of a node"),
            AddonTemplate("gpu-driver-570", "true", "Installs the driver 570"),
        ]

    async def node_templates(self) -> list[NodeTemplate]:
        return [NodeTemplate("new-node", ("gpu-driver-570", "check-disks"), "All that a new node needs")]

    async def step_pods(self, _job_id: str) -> StepPods:
        pods = [
            StepPod(name=node, step="node", attempt=1, nodes=(node,), created=1, begun=True, ended=not self.writing)
            for node in self.lines
        ]
        return StepPods(tuple(pods), over=not self.writing)

    async def log(self, pod: str, *, follow: bool, since: str = "", tail: int | None = None) -> AsyncGenerator[bytes]:
        first = nanoseconds(since.encode()) or 0 if since else 0
        sent = 0
        while True:
            lines = [(number * 10**9, text) for number, text in enumerate(self.lines[pod], 1000)]
            known = [(at, text) for at, text in lines if at >= first]
            for at, text in known[sent:] if sent or tail is None else known[-tail:]:
                yield f"{rfc3339_nanoseconds(at)} {text}\n".encode()
            sent = len(known)
            if not (follow and self.writing):
                return
            await asyncio.sleep(0.05)

    async def secret_values(self, _job_id: str) -> None:
        return None

    async def may_get_templates(self, _who: Caller) -> bool:
        return False

    async def stop_workflow(self, *_asked: object, **_how: object) -> None:
        pass

    async def delete_workflow(self, *_asked: object) -> None:
        pass


class Desk:
    """What the reconciler would write of a job, by hand."""

    def __init__(self, service: Served, town: Town) -> None:
        self.service, self.town = service, town

    def job(self, kind: JobType = JobType.ADDON, nodes: Iterable[str] = (), **fields: Any) -> Job:
        plan = tuple(PlannedNode(name) for name in nodes)
        return self.service.add(kind, plan=Plan(plan), **fields)

    def node(self, job_id: str, name: str, phase: NodePhase, message: str = "") -> None:
        """One node's phase, and the job's own with the first that begins."""
        now = datetime.now(UTC)

        def changed(job: Job) -> Job:
            nodes = tuple(_moved(node, phase, message, now) if node.name == name else node for node in job.plan.nodes)
            return replace(job, plan=replace(job.plan, nodes=nodes), phase=Phase.RUNNING, started=job.started or now)

        self.service.change(job_id, changed)

    def says(self, job_id: str, reason: str, message: str, of: Phase = Phase.RUNNING, **fields: Any) -> None:
        """A condition, and whatever else changes with it."""
        made = Condition(of, reason, message, datetime.now(UTC))
        self.service.change(job_id, lambda job: replace(job, conditions=(*job.conditions, made), **fields))


def _moved(node: PlannedNode, phase: NodePhase, message: str, now: datetime) -> PlannedNode:
    start = node.start or (now if phase is not NodePhase.WAITING else None)
    return replace(node, phase=phase, message=message, start=start, end=now if phase.final else None)


def earlier(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)

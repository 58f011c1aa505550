"""A cluster of three nodes and one workspace, and whoever a test lets in: what POST meets, without Kubernetes."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI

from service.api import app as http
from service.domain.cluster_objects import AddonTemplate, Caller, Node, Workload, Workspace
from service.domain.job import Job, JobType
from service.domain.list_query import Page
from service.jobs.ports import Claim
from service.jobs.prepare_exportimage import ExportSettings
from service.main import dependencies
from service.settings import Settings
from tests.unit.api.test_app import nothing
from workflow_templates.protocol.freeze import Freeze

JOBS = "/api/v1/opsjobs"
EXPORT = ExportSettings(registry="registry.example.com")
REBOOT: dict[str, Any] = {"name": "again", "type": "reboot", "inputs": [{"name": "node", "value": "n1"}]}


@dataclass
class World:
    """Reviews, Cluster and Records in one. A token is its caller's name."""

    #: Job types that callers may create anywhere.
    creates: set[JobType] = field(default_factory=lambda: set(JobType))
    #: What else callers may do with every job.
    verbs: set[str] = field(default_factory=set)
    node_list: list[Node] = field(default_factory=lambda: [Node("n1"), Node("n2"), Node("n3", cordoned=True)])
    scripts: dict[str, str] = field(default_factory=lambda: {"fix": "true"})
    unknown_tokens: set[str] = field(default_factory=set)
    #: Token → whose it is now, where that is another.
    renamed: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    frozen: Freeze | None = None
    #: Whether callers may freeze the cluster.
    freezes: bool = True
    #: What Workflows were told of their rollouts.
    steered: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)
    #: Work on a new job waits for it.
    gate: asyncio.Event | None = None

    async def caller(self, token: str) -> Caller | None:
        name = self.renamed.get(token, token)
        return None if token in self.unknown_tokens else Caller(f"id-{name}", name)

    async def may(self, _who: Caller, verb: str, kind: str, _namespace: str | None) -> bool:
        return verb in self.verbs or (verb == "create" and kind in self.creates)

    async def granted(
        self, _who: Caller, verb: str, kinds: Iterable[str], _namespaces: Iterable[str]
    ) -> frozenset[tuple[str, str | None]]:
        return frozenset((kind, None) for kind in kinds if verb == "create" and kind in self.creates)

    async def may_get(self, *_asked: object) -> bool:
        return True

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def node_locks(self) -> Mapping[str, str]:
        return {}

    async def ended(self, _cluster_id: str, _job_ids: object) -> frozenset[str]:
        return frozenset()

    async def nodes(self, *_names: object) -> Sequence[Node]:
        self.looked_at.append("nodes")
        if self.gate:
            await self.gate.wait()
        return self.node_list

    async def workspaces(self, **_how: bool) -> Mapping[str, Workspace]:
        return {"team": Workspace("team", ("team-ns",))}

    async def workspace(self, workspace_id: str) -> Workspace | None:
        return (await self.workspaces()).get(workspace_id)

    async def workloads(self, names: Iterable[str], _within: object) -> Mapping[str, Sequence[Workload]]:
        return dict.fromkeys(names, ())

    async def namespace_of(self, _cluster_id: str, _workspace_id: str) -> str:
        return "team-ns"

    async def addon_template(self, name: str) -> AddonTemplate | None:
        return AddonTemplate(name, self.scripts[name]) if name in self.scripts else None

    async def node_template(self, _name: str) -> Sequence[str] | None:
        return None

    async def create_secret(self, *_asked: object) -> None:
        pass

    async def create_workflow(self, _job: Job) -> None:
        pass

    async def freeze(self) -> Freeze | None:
        return self.frozen

    async def set_freeze(self, freeze: Freeze) -> None:
        self.frozen = freeze

    async def lift_freeze(self) -> None:
        self.frozen = None

    async def may_freeze(self, _who: Caller) -> bool:
        return self.freezes

    async def steer_workflow(self, job_id: str, annotations: Mapping[str, str | None]) -> None:
        self.steered.append((job_id, dict(annotations)))

    async def change(self, job_id: str, change: Callable[[Job], Job], *_entry: object) -> Job | None:
        self.jobs[job_id] = change(self.jobs[job_id])
        return self.jobs[job_id]

    async def ping(self) -> None:
        pass

    async def claim(self, *_asked: object) -> Claim:
        return Claim()

    async def release(self, *_asked: object) -> None:
        pass

    async def add(self, job: Job, *_asked: object) -> None:
        self.jobs[job.job_id] = job

    async def page(self, _query: object) -> Page:
        return Page(0, [])

    async def get(self, job_id: str) -> Job | None:
        return self.jobs.get(job_id)

    def app(self, **settings: Any) -> FastAPI:
        """The API as main puts it together over this world."""
        templates = {kind: f"opsjob-{kind}-1" for kind in (*JobType, "reboot-rollout")}
        known = Settings(cluster_id="local", templates=templates, export=EXPORT, **settings)
        made = http.build(nothing)
        here: Any = self
        made.state.dependencies = dependencies(known, here, here, here, here)
        return made

"""preflight: what a check runs with on every planned node, and where its environment is kept (contract: preflight)."""

import json
import secrets
from dataclasses import dataclass

from service.domain import preflight
from service.domain.job import Plan
from service.domain.preflight import Allowed
from service.domain.request_faults import Fault, FaultCode
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.ports import Cluster
from service.jobs.preparation import MAX_FILES_BYTES, Work
from workflow_templates.protocol import check_pods

_SHALLOW = (
    "its directories of the host are mounted read-only, but not what is mounted below them: "
    "a container runtime of a planned node cannot do that"
)


class PreflightSettings(Allowed, frozen=True):
    """The chart's values preflight.*: what a check may have, and how checks are run."""

    #: Pods of one job at the same time.
    parallelism: int = 1000
    #: Seconds in which a check's pod must start; then its node could not be tested.
    start_seconds: int = 900
    #: For orders that name no timeoutSecond; 0: as for other jobs.
    default_timeout_seconds: int = 86_400
    #: What nodes that fail get, as key=value:Effect and key=value; empty: no such mark.
    mark_taint: str = ""
    mark_label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflights:
    """Fills service.jobs.preparation.Kind for preflight jobs."""

    cluster: Cluster
    settings: PreflightSettings
    #: Seconds that a node may not answer while its check runs.
    lost_seconds: int
    #: Of jobs of any type; 0: none.
    default_timeout_seconds: int

    async def prepare(self, order: Order, selection: Selection) -> Work:
        options, settings = order.options, self.settings
        plan = preflight.narrowed(selection.plan, (options.get("resource") or {}).get("replica"))
        faults = list(preflight.faults(options, settings))
        if faults or not order.complete:
            return Work(faults=tuple(faults))
        unable = await self._cannot_mount_recursively(plan) if options.get("hostpath") else []
        faults += preflight.cannot_mount_below(options, settings, unable)
        default = settings.default_timeout_seconds or self.default_timeout_seconds
        timeout = default if order.timeout_second is None else order.timeout_second
        asked = preflight.request(
            options,
            settings,
            peers=f"p{secrets.token_hex(4)}",
            deadline_seconds=timeout,
            recursive=not unable,
        )
        files = preflight.files(plan, order.name, preflight.script(options["entryPoint"]), asked)
        env = options.get("env") or {}
        if sum(len(text.encode()) for text in files.values()) > MAX_FILES_BYTES:
            faults.append(
                Fault(
                    "entryPoint", f"it and the plan together are over {MAX_FILES_BYTES} bytes", FaultCode.LIMIT_EXCEEDED
                )
            )
        if sum(len(f"{name}{value}".encode()) for name, value in env.items()) > MAX_FILES_BYTES:
            faults.append(Fault("env", f"is over {MAX_FILES_BYTES} bytes", FaultCode.LIMIT_EXCEEDED))
        shared = len(plan.nodes) > check_pods.GROUP_SIZE
        return Work(
            parameters={
                "nodes": json.dumps(plan.names),
                "alone": "[]" if shared else json.dumps(plan.names),
                "groups": json.dumps(check_pods.groups(len(plan.nodes)) if shared else []),
                "start-seconds": str(settings.start_seconds),
                "lost-seconds": str(self.lost_seconds),
                "mark-taint": settings.mark_taint,
                "mark-label": settings.mark_label,
            },
            files=files,
            # All of it, whatever its names sound like: there is one way into the pod.
            secret=env,
            plan=plan,
            parallelism=max(1, settings.parallelism // check_pods.GROUP_SIZE) if shared else settings.parallelism,
            timeout_second=timeout,
            note=_SHALLOW if unable else "",
            faults=tuple(faults),
        )

    async def _cannot_mount_recursively(self, plan: Plan) -> list[str]:
        """The planned nodes whose container runtime cannot mount recursively read-only."""
        if self.settings.host_paths_writable:
            return []
        able = {node.name for node in await self.cluster.nodes(plan.names) if node.recursive_read_only}
        return [name for name in plan.names if name not in able]

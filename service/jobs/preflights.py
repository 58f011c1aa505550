"""preflight: what a check runs with on every planned node, and where its environment is kept (contract: preflight)."""

import json
import secrets
from dataclasses import dataclass

from service.domain import preflight
from service.domain.faults import Fault, FaultCode
from service.domain.preflight import Allowed
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.work import MAX_FILES_BYTES, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflights:
    """Fills service.jobs.work.Kind for preflight jobs."""

    allowed: Allowed
    #: Pods of one job at the same time.
    parallelism: int
    #: Seconds in which a check's pod must start; then its node could not be tested.
    start_seconds: int
    #: What nodes that fail get, as key=value:Effect and key=value; empty: no such mark.
    mark_taint: str = ""
    mark_label: str = ""

    async def prepare(self, order: Order, selection: Selection) -> Work:
        options = order.options
        plan = preflight.narrowed(selection.plan, (options.get("resource") or {}).get("replica"))
        faults = list(preflight.faults(options, self.allowed))
        if faults or not order.complete:
            return Work(faults=tuple(faults))
        peers = f"p{secrets.token_hex(4)}"
        files = preflight.files(plan, options, order.name, preflight.script(options["entryPoint"]), peers)
        env = options.get("env") or {}
        if sum(len(text.encode()) for text in files.values()) > MAX_FILES_BYTES:
            faults.append(
                Fault(
                    "entryPoint", f"it and the plan together are over {MAX_FILES_BYTES} bytes", FaultCode.LIMIT_EXCEEDED
                )
            )
        if sum(len(f"{name}{value}".encode()) for name, value in env.items()) > MAX_FILES_BYTES:
            faults.append(Fault("env", f"is over {MAX_FILES_BYTES} bytes", FaultCode.LIMIT_EXCEEDED))
        return Work(
            parameters={
                "nodes": json.dumps(plan.names),
                "image": options["image"],
                "pod-spec-patch": preflight.pod_spec_patch(options, self.allowed),
                "peers": peers,
                "start-seconds": str(self.start_seconds),
                "mark-taint": self.mark_taint,
                "mark-label": self.mark_label,
            },
            files=files,
            # All of it, whatever its names sound like: there is one way into the pod.
            secret=env,
            plan=plan,
            # Beside the checks there is one pod that watches over their start.
            parallelism=self.parallelism + 1,
            faults=tuple(faults),
        )

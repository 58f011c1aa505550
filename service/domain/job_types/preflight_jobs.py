import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from service.domain.job import Job, Named, NodePhase, PlannedNode
from service.domain.job_types.traits import OutputFile, Traits
from service.domain.workflow import Workflow


class Preflight(Traits):
    needed_value = "objectStore"
    #: That they failed an earlier job is why they are tested again.
    takes_unhealthy = True
    fails_with_a_node = True
    writes_report = True
    files = MappingProxyType(
        {
            "report": OutputFile("report.json", "application/json", "report", ("", "")),
            "junit": OutputFile("junit.xml", "application/xml", "report", ("report.json", "junit.xml")),
            "picture": OutputFile("matrix.svg", "image/svg+xml", "report", ("report.json", "matrix.svg")),
        }
    )

    def subject(self, job: Job) -> str:
        """The image, without where it comes from and its digest."""
        return str(job.options.get("image", "")).partition("@")[0].rpartition("/")[2]

    def shown(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "resource": dict(options.get("resource") or {}),
            "image": options.get("image", ""),
            "entryPoint": options.get("entryPoint", ""),
            "hostpath": list(options.get("hostpath") or ()),
        }

    def outputs(self, job: Job, workflow: Workflow, nodes: Sequence[PlannedNode]) -> tuple[Named, ...]:
        """Beside those of its Workflow: of the plan, and not of a step. That may be long; untested is not healthy."""
        healthy = [node.name for node in nodes if node.phase is NodePhase.SUCCEEDED]
        failed = [node.name for node in nodes if node.phase is not NodePhase.SUCCEEDED]
        lists = (Named("healthyNodes", json.dumps(healthy)), Named("failedNodes", json.dumps(failed)))
        return (*super().outputs(job, workflow, nodes), *lists)


TRAITS = Preflight()

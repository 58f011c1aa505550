"""What a node step reports: its outcome, and that of each addon template it came to."""

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from workflow_templates.tail import last_bytes

Result = Literal["succeeded", "failed", "skipped"]

#: All outcomes of a job travel in one Workflow object, twice; a large job's nodes therefore say less each. What Argo
#: keeps of a node takes room itself, too. With so much output that no compression helps, 2,000 nodes (the chart's
#: `limits.nodes`) stay below the 1 MiB that Argo allows.
_JOB_BYTES = 350_000
_NODE_BYTES = 100
_MESSAGE_BYTES = 500


@dataclass(frozen=True, slots=True)
class TemplateOutcome:
    """camelCase, because it is written as it stands."""

    name: str
    result: Result
    message: str
    exitCode: int | None = None  # noqa: N815
    lastLines: str = ""  # noqa: N815


@dataclass(slots=True)
class Outcome:
    node: str
    result: Result = "succeeded"
    message: str = ""
    templates: list[TemplateOutcome] = field(default_factory=list)

    def fail(self, message: str) -> None:
        self.result, self.message = "failed", message

    def text(self, planned: int) -> str:
        """As JSON, in a size that all `planned` nodes of the job can afford: the latest output is kept longest."""
        report = asdict(self)
        left = _JOB_BYTES // max(1, planned) - _NODE_BYTES
        for template in reversed(report["templates"]):
            template["lastLines"] = last_bytes(template["lastLines"], max(0, left))
            left -= len(template["lastLines"].encode())
            template["message"] = template["message"][:_MESSAGE_BYTES]
        report["message"] = report["message"][:_MESSAGE_BYTES]
        return json.dumps(report, ensure_ascii=False, separators=(",", ":"))

"""What a node's step reports of its work, in its output parameter `outcome`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.domain.workflow import Step


@dataclass(frozen=True, slots=True)
class Outcome:
    """The report of one node as it was written; empty where the step left none or an unreadable one."""

    content: Mapping[str, Any]

    @classmethod
    def of(cls, *steps: Step) -> "Outcome":
        """The report of the first of the steps that has one."""
        for step in steps:
            try:
                content = json.loads(step.outputs.get("outcome", "") or "null")
            except ValueError:
                continue
            if isinstance(content, dict):
                return cls(content)
        return cls({})

    @property
    def message(self) -> str:
        return str(self.content.get("message") or "")

    @property
    def templates(self) -> list[Mapping[str, Any]]:
        entries = self.content.get("templates")
        return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []

    @property
    def culprit(self) -> str:
        """The name of the last addon template that failed: the one at which the node ended."""
        failed = [str(entry.get("name", "")) for entry in self.templates if entry.get("result") == "failed"]
        return failed[-1] if failed else ""

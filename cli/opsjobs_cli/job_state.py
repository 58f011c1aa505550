"""A job as its events make it: the whole at first, then what changes."""

import json
from typing import Any

from opsjobs_cli.event_reading import Event

Job = dict[str, Any]


class JobState:
    """`job` is as GET has it; empty until the first event has come."""

    def __init__(self) -> None:
        self.job: Job = {}
        self._nodes: dict[str, Job] = {}

    def whole(self, job: Job) -> None:
        """All of it, anew."""
        self.job = job
        self._nodes = {node["name"]: node for node in job["plan"]["nodes"]}

    def take(self, event: Event) -> bool:
        """Change what the event changes; False: it is of another kind, or of a job that did not come yet."""
        content = json.loads(event.data)
        if event.name == "job":
            self.whole(content)
            return True
        if not self.job:
            return False
        match event.name:
            case "phase" | "progress" | "end":
                self.job |= content
            case "node" if content["name"] in self._nodes:
                self._nodes[content["name"]].update(content)
            case "condition":
                self._condition(content)
            case _:
                return False
        return True

    def _condition(self, condition: dict[str, str]) -> None:
        """What a job waits for is brought up to date in its place."""
        history = self.job["conditions"]
        if history and _kind(history[-1]) == _kind(condition):
            history.pop()
        history.append(condition)


def _kind(condition: dict[str, str]) -> tuple[str, str]:
    return condition["type"], condition["reason"]

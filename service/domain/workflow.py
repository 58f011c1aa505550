"""A Workflow as Argo reports it, read into what the rules ask about. Nothing is decided here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from workflow_templates.protocol import exit_codes, labels

#: The global output parameter by which a step that succeeded says what is still worth knowing.
NOTE = "note"

_COMPLETED = ("Succeeded", "Failed", "Error")
#: Argo shows an item of a loop as `step(3:item)`, an attempt of it as `step(3:item)(1)`.
_ITEM = re.compile(r"^(?P<step>[^(]+)\(\d+(:(?P<item>.+?))?\)(\(\d+\))?$")


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of status.nodes (Argo's word for steps, attempts and groups of them)."""

    name: str
    template: str
    type: str
    phase: str
    message: str
    exit_code: int | None
    node: str
    #: The phase of a rollout that it is of, from 1; empty: none.
    rollout_phase: str
    outputs: Mapping[str, str]
    started: datetime | None
    finished: datetime | None
    scheduled: bool
    clean_up: bool

    @property
    def is_pod(self) -> bool:
        return self.type == "Pod"

    @property
    def ended(self) -> bool:
        return self.phase not in ("", "Pending", "Running")

    @property
    def failed(self) -> bool:
        return self.phase in ("Failed", "Error")

    @property
    def begun(self) -> bool:
        """Whether its pod certainly started on its work."""
        if not self.is_pod or self.exit_code in (exit_codes.WAITING, exit_codes.NOT_BEGUN, exit_codes.NOT_STARTED):
            return False
        return self.phase in ("Running", "Succeeded") or self.exit_code is not None

    @property
    def perhaps_begun(self) -> bool:
        """Whether its pod was on the node when Argo gave it up before it learned of any exit code."""
        return self.is_pod and self.failed and self.scheduled and self.exit_code is None


class Workflow:
    """Argo's object, `status.nodes` decoded; `unreadable` says why that cannot be done, where it cannot."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        metadata, self._spec = item["metadata"], item.get("spec") or {}
        self._status = item.get("status") or {}
        self.name: str = metadata["name"]
        self.uid: str = metadata.get("uid", "")
        self.version: str = metadata.get("resourceVersion", "")
        self.unreadable: str = item.get("unreadable") or ""
        self.deleting = bool(metadata.get("deletionTimestamp"))
        annotations = metadata.get("annotations") or {}
        self.stopped_by: str = annotations.get(labels.STOPPED_BY, "")
        self.reminded = moment(annotations.get(labels.REMINDED))
        self.annotations: Mapping[str, str] = annotations
        self.shut_down = bool(self._spec.get("shutdown"))
        self.suspended = bool(self._spec.get("suspend"))
        self.timed_out = labels.TIMED_OUT in annotations
        self.created = moment(metadata.get("creationTimestamp"))
        self.phase: str = self._status.get("phase") or ""
        self.message: str = self._status.get("message") or ""
        self.started = moment(self._status.get("startedAt"))
        self.finished = moment(self._status.get("finishedAt"))

    @property
    def completed(self) -> bool:
        return self.phase in _COMPLETED

    @property
    def deadline_seconds(self) -> int:
        """Seconds from its start after which Argo ends it; 0: none."""
        return self._spec.get("activeDeadlineSeconds") or 0

    @property
    def deadline(self) -> datetime | None:
        """When Argo is to end its steps; None: never, not yet known, or they have ended."""
        if self.completed or self.started is None or not self.deadline_seconds or self.worked_until is not None:
            return None
        return self.started + timedelta(seconds=self.deadline_seconds)

    @property
    def expires(self) -> datetime | None:
        """When Argo is to delete it, by the one TTL that our Workflows have; None: not yet known."""
        seconds = (self._spec.get("ttlStrategy") or {}).get("secondsAfterCompletion")
        if not self.completed or self.finished is None or seconds is None:
            return None
        return self.finished + timedelta(seconds=seconds)

    @property
    def worked_until(self) -> datetime | None:
        """When the last step but for the clean-up had ended."""
        root = (self._status.get("nodes") or {}).get(self.name) or {}
        return moment(root.get("finishedAt")) or self.finished

    @property
    def outputs(self) -> list[tuple[str, str]]:
        """Output parameters that steps made global."""
        return list(_parameters(self._status.get("outputs")).items())

    @property
    def note(self) -> str:
        return dict(self.outputs).get(NOTE, "")

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._step(entry) for entry in (self._status.get("nodes") or {}).values())

    def _step(self, entry: Mapping[str, Any]) -> Step:
        name, display = entry.get("name", ""), entry.get("displayName", "")
        item = _ITEM.match(display)
        outputs = entry.get("outputs") or {}
        on_exit = f"{self.name}.onExit"
        clean_up = name == on_exit or name.startswith((f"{on_exit}.", f"{on_exit}[", f"{on_exit}("))
        return Step(
            name=name,
            template="clean-up" if clean_up else entry.get("templateName") or (item["step"] if item else display),
            type=entry.get("type", ""),
            phase=entry.get("phase") or "",
            message=entry.get("message") or "",
            exit_code=_whole(outputs.get("exitCode")),
            node=_parameters(entry.get("inputs")).get("node") or (item["item"] if item else None) or "",
            rollout_phase=_parameters(entry.get("inputs")).get("phase") or "",
            outputs=_parameters(outputs),
            started=moment(entry.get("startedAt")),
            finished=moment(entry.get("finishedAt")),
            scheduled=bool(entry.get("hostNodeName")),
            clean_up=clean_up,
        )


def moment(text: str | None) -> datetime | None:
    """A time of a Kubernetes object; its zero value (null) is None."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _parameters(arguments: Mapping[str, Any] | None) -> dict[str, str]:
    return {p["name"]: str(p.get("value") or "") for p in (arguments or {}).get("parameters") or ()}


def _whole(text: Any) -> int | None:
    try:
        return int(text)
    except (TypeError, ValueError):
        return None

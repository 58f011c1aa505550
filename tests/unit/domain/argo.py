"""Workflows as Argo 4.0.7 shows them, as short as a table of cases needs them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from service.domain.job import Job, JobType, Named, Plan, PlannedNode
from service.domain.phase import created

#: The moment at which the jobs of these tests are created.
T0 = datetime(2026, 1, 10, 8, 0, 0, 250_000, tzinfo=UTC)
JOB_ID = "roll-abc123"

Entry = dict[str, Any]


def at(second: float) -> datetime:
    """That many seconds after the whole second in which the job was created."""
    return T0.replace(microsecond=0) + timedelta(seconds=second)


def stamp(second: float | None) -> str | None:
    return None if second is None else at(second).strftime("%Y-%m-%dT%H:%M:%SZ")


def job(*nodes: str, job_type: JobType = JobType.ADDON, **fields: Any) -> Job:
    defaults: dict[str, Any] = {
        "job_id": JOB_ID,
        "job_name": "roll",
        "type": job_type,
        "cluster_id": "prod",
        "user_id": "u1",
        "user_name": "alice",
        "created": T0,
        "conditions": (created(T0),),
        "inputs": (Named("cluster", "prod"),),
        "plan": Plan(tuple(PlannedNode(name) for name in nodes)),
    }
    return Job(**(defaults | fields))


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod. `code` is main's exit code, `text` the message as Argo writes it; times are seconds after T0."""

    phase: str
    code: int | None = None
    text: str = ""
    start: float = 10
    end: float | None = None
    host: bool = True


def running(start: float = 10) -> Pod:
    return Pod("Running", start=start)


def succeeded(start: float = 10, end: float = 20) -> Pod:
    return Pod("Succeeded", 0, start=start, end=end)


def failed(code: int = 1, sentence: str = "", start: float = 10, end: float = 20) -> Pod:
    text = f"main: Error (exit code {code})" + (f": {sentence}" if sentence else "")
    return Pod("Failed", code, text, start, end)


def busy(sentence: str = "node n1 is locked by job other-xyz789", start: float = 10, end: float = 12) -> Pod:
    return failed(75, sentence, start, end)


def pending(text: str = "", start: float = 10) -> Pod:
    return Pod("Pending", None, text, start, host=False)


def cut_off(text: str, *, host: bool, start: float = 10, end: float = 20) -> Pod:
    """A pod that Argo or Kubernetes ended; no exit code is known."""
    return Pod("Failed", None, text, start, end, host)


def on(node: str, phase: str, *pods: Pod, index: int = 0, outcome: object = None, text: str = "") -> list[Entry]:
    """The entries of one planned node of an addon: a Retry and its attempts."""
    name = f"{JOB_ID}[0].nodes[0].group(0:1 to 50)[0].node({index}:{node})"
    ended = phase not in ("Running", "Pending")
    whole = entry(
        name,
        "Retry",
        phase,
        node=node,
        text=text,
        start=pods[0].start if pods else 5,
        end=(pods[-1].end if pods else 5) if ended else None,
        outcome=outcome,
    )
    attempts = [
        entry(
            f"{name}({number})",
            "Pod",
            pod.phase,
            node=node,
            text=pod.text,
            start=pod.start,
            end=pod.end,
            code=pod.code,
            host=pod.host,
            outcome=outcome if number == len(pods) - 1 else None,
        )
        for number, pod in enumerate(pods)
    ]
    return [whole, *attempts]


def entry(  # noqa: PLR0913  # one entry of status.nodes has that many fields
    name: str,
    kind: str,
    phase: str,
    *,
    node: str = "",
    text: str = "",
    start: float | None = None,
    end: float | None = None,
    code: int | None = None,
    host: bool = False,
    outcome: object = None,
    template: str = "",
) -> Entry:
    parameters = []
    if outcome is not None:
        parameters = [{"name": "outcome", "value": outcome if isinstance(outcome, str) else json.dumps(outcome)}]
    outputs: dict[str, Any] = {}
    if parameters:
        outputs["parameters"] = parameters
    if code is not None:
        outputs["exitCode"] = str(code)
    return {
        "id": name,
        "name": name,
        "displayName": name.rpartition("].")[2],
        "type": kind,
        "phase": phase,
        "message": text,
        "startedAt": stamp(start),
        "finishedAt": stamp(end),
        "templateName": template,
        **({"inputs": {"parameters": [{"name": "node", "value": node}]}} if node else {}),
        **({"outputs": outputs} if outputs else {}),
        **({"hostNodeName": node or "n1"} if host else {}),
    }


def workflow(  # noqa: PLR0913  # the parts of an object that rules look at
    *items: Sequence[Entry],
    phase: str = "Running",
    text: str = "",
    start: float | None = 5,
    end: float | None = None,
    spec: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    version: str = "100",
    outputs: dict[str, str] | None = None,
    worked_until: float | None = None,
) -> dict[str, Any]:
    """A Workflow; a completed one ends at second 30 unless told otherwise."""
    if end is None and phase in ("Succeeded", "Failed", "Error"):
        end = 30
    entries = [one for item in items for one in item]
    if entries:
        root = entry(JOB_ID, "Steps", phase, start=start, end=end if worked_until is None else worked_until)
        entries = [root, *entries]
    return {
        "metadata": {"name": JOB_ID, "uid": "uid-1", "resourceVersion": version, **(metadata or {})},
        "spec": {"workflowTemplateRef": {"name": "opsjob-addon-00000000"}, **(spec or {})},
        "status": {
            "phase": phase,
            "message": text,
            "startedAt": stamp(start),
            "finishedAt": stamp(end),
            "nodes": {one["name"]: one for one in entries},
            "outputs": {"parameters": [{"name": name, "value": value} for name, value in (outputs or {}).items()]},
        },
    }

"""How the check of each node ended, from its step in the Workflow and the last lines of its log."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from workflow_templates.cluster import Object
from workflow_templates.tail import last_bytes

#: error: nobody knows whether the node is healthy. skip: the node was not in the plan.
Status = Literal["pass", "fail", "error", "skip"]

EXIT_UNTESTED = 2

_RESULT = "opsjob-result: "
_LAST_LINES_BYTES = 2_000
_TEXT_CHARACTERS = 500
_CHECKS = 200
#: How a container ended, as Argo words it.
_ENDED = re.compile(r"^(?:[\w-]+: )?\w+ \(exit code -?\d+\)(?:: (?P<text>.*))?$", re.DOTALL)

#: What Argo and the kubelet say of one that was ended by the job's timeout or a stop, whatever its exit code then is.
_CUT_OFF = re.compile(r"exceeded its deadline|longer than the specified deadline|shutdown|with strategy")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at on a node."""

    name: str
    status: Status
    value: float | str | None = None
    unit: str = ""
    reason: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One node's line of the report; empty strings and None: not known, or it never came to that."""

    name: str
    status: Status
    reason: str = ""
    exit_code: int | None = None
    started: str = ""
    finished: str = ""
    last_lines: str = ""
    checks: tuple[Check, ...] = field(default=())

    @property
    def seconds(self) -> float | None:
        if not self.started or not self.finished:
            return None
        return (datetime.fromisoformat(self.finished) - datetime.fromisoformat(self.started)).total_seconds()


def of(name: str, step: Object | None, log: str, given_up: str = "") -> Node:
    """The line of a planned node; `step` is its check's entry in the Workflow, `given_up` why it never started."""
    if step is None:
        return Node(name, "error", "not begun")
    if given_up:
        return Node(name, "error", given_up[:_TEXT_CHARACTERS])
    code = _whole((step.get("outputs") or {}).get("exitCode"))
    checks, fault, lines = read(log)
    status = _status(step, code)
    reason = "" if status == "pass" else _reason(step, code)
    return Node(
        name,
        status,
        "; ".join(filter(None, (reason, fault)))[:_TEXT_CHARACTERS],
        code,
        str(step.get("startedAt") or ""),
        str(step.get("finishedAt") or ""),
        lines,
        checks,
    )


def read(log: str) -> tuple[tuple[Check, ...], str, str]:
    """A log's result file as checks, what is wrong with it, and the last lines of the rest."""
    lines = log.splitlines()
    result = "\n".join(line.removeprefix(_RESULT) for line in lines if line.startswith(_RESULT))
    rest = "\n".join(line for line in lines if not line.startswith(_RESULT)).strip("\n")
    last = last_bytes(rest, _LAST_LINES_BYTES)
    if not result.strip():
        return (), "", last
    try:
        return checks(json.loads(result)), "", last
    except (ValueError, TypeError, RecursionError) as fault:
        return (), f"the result file could not be read: {fault}", last


def checks(result: Any) -> tuple[Check, ...]:
    """A result file's checks: {"checks": [{"name", "ok" or "status", "value", "unit", "reason", "action"}]}.

    Raises:
        ValueError: it is not of that form.
    """
    listed = result.get("checks") if isinstance(result, dict) else None
    if not isinstance(listed, list) or not all(isinstance(item, dict) and item.get("name") for item in listed):
        raise ValueError('it must be {"checks": [{"name": …, "ok": true, …}, …]}')
    return tuple(_check(item) for item in listed[:_CHECKS])


def _check(item: Mapping[str, Any]) -> Check:
    said = item.get("status")
    known = next((status for status in get_args(Status) if status == said), None)
    status: Status = known or ("pass" if item.get("ok") is True else "fail")
    value = item.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        value = _text(value)
    return Check(
        _text(item["name"]),
        status,
        value,
        _text(item.get("unit")),
        _text(item.get("reason")),
        _text(item.get("action")),
    )


def _status(step: Object, code: int | None) -> Status:
    if step.get("phase") == "Succeeded":
        return "pass"
    cut_off = _CUT_OFF.search(str(step.get("message") or ""))
    return "error" if code is None or code == EXIT_UNTESTED or cut_off else "fail"


def _reason(step: Object, code: int | None) -> str:
    message = str(step.get("message") or "").strip()
    ended = _ENDED.match(message)
    said = (ended["text"] or "").strip() if ended else message
    if code is None:
        return said or "did not come to an end"
    return f"{said} (exit code {code})" if said else f"exit code {code}"


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:_TEXT_CHARACTERS]


def _whole(text: Any) -> int | None:
    try:
        return int(text)
    except (TypeError, ValueError):
        return None

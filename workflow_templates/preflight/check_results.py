"""How the check of each node ended, from what its runner says of it and the last lines of its log."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from workflow_templates.kubernetes_api import Object
from workflow_templates.preflight.check_text import clean, measured, short
from workflow_templates.protocol import argo_message
from workflow_templates.protocol.check_outcome import END, OUTCOME, RESULT, RESULT_CUT, CheckOutcome
from workflow_templates.tail import last_bytes

#: error: whether the node is healthy is not known. skip: the node was not in the plan.
Status = Literal["pass", "fail", "error", "skip"]

_LAST_LINES_BYTES = 2_000
_CHECKS = 200


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


def of(name: str, step: Object | None, log: str, outcome: CheckOutcome | None = None) -> Node:
    """The line of a planned node; `step` is its runner's entry in the Workflow, `outcome` what that reported last."""
    if step is None:
        return Node(name, "error", "not begun")
    found, fault, lines = read(log)
    if outcome is None:
        # The step says whether a check passed. That it did not may be true of the step alone.
        healthy = step.get("phase") == "Succeeded"
        outcome = CheckOutcome(status="pass" if healthy else "error", message=_failure_message(step))
    status: Status = next(status for status in get_args(Status) if status == outcome.status)
    reason = "" if status == "pass" else _reason(outcome, step)
    reasons = short("; ".join(filter(None, (reason, fault))))
    return Node(name, status, reasons, outcome.code, outcome.started, outcome.finished, lines, found)


def outcome_in(log: str) -> CheckOutcome | None:
    """How a check ended, from its runner's log; None: it does not say (yet)."""
    found = [line.removeprefix(OUTCOME) for line in log.split("\n") if line.startswith(OUTCOME)]
    try:
        return CheckOutcome.of(json.loads(found[-1])) if found else None
    except ValueError:
        return None


def read(log: str) -> tuple[tuple[Check, ...], str, str]:
    """A log's result file as checks, what is wrong with it, and the last lines of the rest."""
    # Not splitlines: a text of JSON may hold what that takes for the end of a line.
    lines = log.split("\n")
    if END in lines:
        # What follows is not of the check, but of its runner and of Argo's executor.
        del lines[-1 - lines[::-1].index(END) :]
    result = "\n".join(line.removeprefix(RESULT) for line in lines if line.startswith(RESULT))
    rest = "\n".join(line for line in lines if not line.startswith((RESULT, RESULT_CUT, OUTCOME))).strip("\n")
    last = last_bytes(clean(rest), _LAST_LINES_BYTES)
    if any(line.startswith(RESULT_CUT) for line in lines):
        return (), "the result file could not be read: it is over 100 kB", last
    if not result.strip():
        return (), "", last
    try:
        return *checks(json.loads(result)), last
    except (ValueError, TypeError, RecursionError) as fault:
        return (), f"the result file could not be read: {fault}", last


def checks(result: Any) -> tuple[tuple[Check, ...], str]:
    """A result file's checks, and what was left out of them.

    Its form is {"checks": [{"name", "ok" or "status", "value", "unit", "reason", "action"}]}.

    Raises:
        ValueError: it is not of that form.
    """
    listed = result.get("checks") if isinstance(result, dict) else None
    if not isinstance(listed, list) or not all(isinstance(item, dict) and item.get("name") for item in listed):
        raise ValueError('it must be {"checks": [{"name": …, "ok": true, …}, …]}')
    beyond = f"only the first {_CHECKS} of its {len(listed)} checks are kept" if len(listed) > _CHECKS else ""
    return tuple(_check(item) for item in listed[:_CHECKS]), beyond


def _check(item: Mapping[str, Any]) -> Check:
    given = item.get("status")
    known = next((status for status in get_args(Status) if status == given), None)
    status: Status = known or ("pass" if item.get("ok") is True else "fail")
    return Check(
        short(item["name"]),
        status,
        measured(item.get("value")),
        short(item.get("unit")),
        short(item.get("reason")),
        short(item.get("action")),
    )


def _reason(outcome: CheckOutcome, step: Object) -> str:
    message = (outcome.cut_off and _failure_message(step)) or outcome.message
    if outcome.code is None:
        return message or "did not come to an end"
    if not message:
        return f"exit code {outcome.code}"
    return argo_message.with_code(message, outcome.code)


def _failure_message(step: Object) -> str:
    """Argo's message on a step that failed, or the step's own."""
    return argo_message.own_sentence(str(step.get("message") or ""))

"""How the check of each node ended, from its step in the Workflow and the last lines of its log."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from workflow_templates.cluster import Object
from workflow_templates.preflight.text import clean, measured, short
from workflow_templates.tail import last_bytes

#: error: nobody knows whether the node is healthy. skip: the node was not in the plan.
Status = Literal["pass", "fail", "error", "skip"]

#: The only exit code by which a check says that its node is unhealthy. All others but 0 come as well from what is no
#: fault of the node: a mistake in the check, a command that is not there (64, 126, 127), a signal (137, 143).
EXIT_UNHEALTHY = 1

#: As run.sh marks them: a line of the result file, that there was more than it hands on, and the end of all.
_RESULT = "opsjob-result: "
_RESULT_CUT = "opsjob-result-cut"
END = "opsjob-end"
_LAST_LINES_BYTES = 2_000
_CHECKS = 200
#: How a container ended, as Argo words it.
_ENDED = re.compile(r"^(?:[\w-]+: )?(?P<how>\w+) \(exit code -?\d+\)(?:: (?P<text>.*))?$", re.DOTALL)
#: The word for one that ended by itself; others are OOMKilled, DeadlineExceeded, ContainerStatusUnknown.
_BY_ITSELF = "Error"
#: What Argo and the kubelet say of a pod that was ended from outside, whatever its exit code then is.
_CUT_OFF = re.compile(
    r"exceeded its deadline|longer than the specified deadline|shutdown|with strategy|low on resource|[Ee]vict"
    r"|[Pp]reempt|was given up"
)


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


def is_whole(log: str) -> bool:
    """Whether all that a check wrote is in its log. Argo's executor may have said something of its own after that."""
    return END in log.split("\n")


def of(name: str, step: Object | None, log: str, given_up: str = "") -> Node:
    """The line of a planned node; `step` is its check's entry in the Workflow, `given_up` why it never started."""
    if step is None:
        return Node(name, "error", "not begun")
    if given_up:
        return Node(name, "error", short(given_up))
    code = _whole((step.get("outputs") or {}).get("exitCode"))
    checks, fault, lines = read(log)
    status = _status(step, code)
    reason = "" if status == "pass" else _reason(step, code)
    return Node(
        name,
        status,
        short("; ".join(filter(None, (reason, fault)))),
        code,
        str(step.get("startedAt") or ""),
        str(step.get("finishedAt") or ""),
        lines,
        checks,
    )


def read(log: str) -> tuple[tuple[Check, ...], str, str]:
    """A log's result file as checks, what is wrong with it, and the last lines of the rest."""
    # Not splitlines: a text of JSON may hold what that takes for the end of a line.
    lines = log.split("\n")
    if END in lines:
        # What follows is not of the check, but of Argo's executor.
        del lines[-1 - lines[::-1].index(END) :]
    result = "\n".join(line.removeprefix(_RESULT) for line in lines if line.startswith(_RESULT))
    rest = "\n".join(line for line in lines if not line.startswith((_RESULT, _RESULT_CUT))).strip("\n")
    last = last_bytes(clean(rest), _LAST_LINES_BYTES)
    if any(line.startswith(_RESULT_CUT) for line in lines):
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
    said = item.get("status")
    known = next((status for status in get_args(Status) if status == said), None)
    status: Status = known or ("pass" if item.get("ok") is True else "fail")
    return Check(
        short(item["name"]),
        status,
        measured(item.get("value")),
        short(item.get("unit")),
        short(item.get("reason")),
        short(item.get("action")),
    )


def _status(step: Object, code: int | None) -> Status:
    if step.get("phase") == "Succeeded":
        return "pass"
    return "fail" if code == EXIT_UNHEALTHY and _ended_by_itself(str(step.get("message") or "")) else "error"


def _ended_by_itself(message: str) -> bool:
    """What the check says itself in its message is no sign of anything."""
    ended = _ENDED.match(message.strip())
    return ended["how"] == _BY_ITSELF if ended else not _CUT_OFF.search(message)


def _reason(step: Object, code: int | None) -> str:
    message = str(step.get("message") or "").strip()
    ended = _ENDED.match(message)
    said = (ended["text"] or "").strip() if ended else message
    if code is None:
        return said or "did not come to an end"
    if not said and ended and ended["how"] != _BY_ITSELF:
        said = ended["how"]
    if not said:
        return f"exit code {code}"
    return said if "exit code" in said else f"{said} (exit code {code})"


def _whole(text: Any) -> int | None:
    try:
        return int(text)
    except (TypeError, ValueError):
        return None

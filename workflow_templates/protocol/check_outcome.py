"""How the check of a node ended, as its runner says it, for the report and for the service."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

#: How the line of a runner's log begins that says how a check ended; a check's own line is never one.
OUTCOME = "opsjob-outcome: "
#: How the lines begin by which a check hands on its result file (preflight/run.sh), and its last one.
RESULT = "opsjob-result: "
RESULT_CUT = "opsjob-result-cut"
END = "opsjob-end"
#: Lines of a log that the check's script did not write.
MARKERS = tuple(word.encode() for word in (OUTCOME, RESULT, RESULT_CUT, END))

#: error: whether the node is healthy is not known.
STATUSES = ("pass", "fail", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """Times are Kubernetes', empty where it never came to that; `code` None: no process of it ended."""

    status: str
    message: str = ""
    code: int | None = None
    started: str = ""
    finished: str = ""
    #: It was ended with its job, at a stop or the job's timeout, which the runner cannot tell apart.
    cut_off: bool = False
    #: It was given up before it started; the message says why.
    never_started: bool = False

    @classmethod
    def of(cls, value: Any) -> Self | None:
        """As it was written down; None: that is not one."""
        if not isinstance(value, Mapping) or value.get("status") not in STATUSES:
            return None
        return cls(**{field.name: value[field.name] for field in fields(cls) if field.name in value})


def written(outcomes: Mapping[str, CheckOutcome]) -> str:
    """The outcomes of several nodes as one text of JSON."""
    return json.dumps({node: asdict(one) for node, one in outcomes.items()}, ensure_ascii=False)


def read(text: str) -> dict[str, CheckOutcome]:
    """The same read back; what cannot be read is left out."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    pairs = ((node, CheckOutcome.of(value)) for node, value in (found.items() if isinstance(found, dict) else ()))
    return {node: outcome for node, outcome in pairs if outcome}

"""How a container ended, as Argo writes it at a step: `main: Error (exit code 3): what the step wrote for people`."""

import re
from dataclasses import dataclass

_ENDED = re.compile(r"^(?:[\w-]+: )?(?P<reason>\w+) \(exit code (?P<code>-?\d+)\)(?:: (?P<text>.*))?$", re.DOTALL)
#: Two parts of each line that Argo's executor writes into a step's log.
_EXECUTORS_BEGIN, _EXECUTORS_MARK = b"time=", b" argo=true"


@dataclass(frozen=True, slots=True)
class Ended:
    """`reason` is the kubelet's (Error, OOMKilled, …), `text` the termination message; empty: there is none."""

    reason: str
    code: int
    text: str


def ended(message: str) -> Ended | None:
    """None: it is not of a container that ended, but Argo's or the kubelet's own sentence."""
    found = _ENDED.match(message)
    return Ended(found["reason"], int(found["code"]), (found["text"] or "").strip()) if found else None


def own_sentence(message: str) -> str:
    """What the step itself wrote; where it wrote nothing, the whole message."""
    found = ended(message.strip())
    return (found.text if found else "") or message.strip()


def with_code(sentence: str, code: int) -> str:
    """A sentence with its exit code, once."""
    return sentence if "exit code" in sentence else f"{sentence} (exit code {code})"


def is_executors(line: bytes) -> bool:
    """Whether a line of a container's log is of Argo's executor, which marks its own so, for those who show logs."""
    return line.startswith(_EXECUTORS_BEGIN) and _EXECUTORS_MARK in line

"""What is wrong with a request: all of it at once, and of bounded length."""

import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import islice

#: The most faults of one request that are named, and the most characters of a value or path in them: what a request
#: gets wrong, however large it is, makes no large answer.
MAX_FAULTS = 50
MAX_SHOWN = 100


class FaultCode(StrEnum):
    """The kind of a fault, for programs (contract: errorCode)."""

    INVALID_JSON = "INVALID_JSON"
    INVALID_VALUE = "INVALID_VALUE"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    UNKNOWN_PARAMETER = "UNKNOWN_PARAMETER"
    FIELD_OF_ANOTHER_TYPE = "FIELD_OF_ANOTHER_TYPE"
    MISSING_FIELD = "MISSING_FIELD"
    CONTRADICTION = "CONTRADICTION"
    MASKED_VALUE = "MASKED_VALUE"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    NOT_INSTALLED = "NOT_INSTALLED"
    NOT_ALLOWED = "NOT_ALLOWED"
    UNKNOWN_NODE = "UNKNOWN_NODE"
    UNKNOWN_WORKSPACE = "UNKNOWN_WORKSPACE"
    UNKNOWN_WORKLOAD = "UNKNOWN_WORKLOAD"
    AMBIGUOUS_WORKLOAD = "AMBIGUOUS_WORKLOAD"
    UNKNOWN_CLUSTER = "UNKNOWN_CLUSTER"
    UNKNOWN_TEMPLATE = "UNKNOWN_TEMPLATE"
    NO_NODE_LEFT = "NO_NODE_LEFT"
    NO_IMAGE = "NO_IMAGE"
    NOT_FOR_THIS_TYPE = "NOT_FOR_THIS_TYPE"
    NOTHING_TO_RETRY = "NOTHING_TO_RETRY"
    UNKNOWN_LABEL = "UNKNOWN_LABEL"
    NEVER_BEGINS = "NEVER_BEGINS"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. `path` is where in the body (`inputs[2].value`); empty: the body as a whole."""

    path: str
    message: str
    code: FaultCode = FaultCode.INVALID_VALUE

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class NotPermittedError(Exception):
    """The caller has no right to this; the message says which right is missing (contract: errors, 403)."""


class StateError(Exception):
    """The job is not in a state for this (contract: wrong state, 409). `code` is the kind of it, for programs."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class RefusedError(Exception):
    """The request cannot be a job; every fault that was found is in it (contract: errors, 400)."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, islice(self.faults, MAX_FAULTS))))


def shown(value: object) -> str:
    """A value as a message names it: what was sent, cut to MAX_SHOWN characters."""
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return repr(cut(value))
        case Decimal():
            return cut(str(value))
        case _:
            return cut(_SHORT.repr(value))


def cut(text: str, most: int = MAX_SHOWN) -> str:
    """The text, or as much of it as may be shown."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = MAX_SHOWN

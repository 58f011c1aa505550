"""What is wrong with a request, said all at once."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong. `path` is where in the body (`inputs[2].value`); empty: the body as a whole."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class NotPermittedError(Exception):
    """The caller has no right to this; the message says which right is missing (contract: errors, 403)."""


class RefusedError(Exception):
    """The request cannot be a job; every fault that was found is in it (contract: errors, 400)."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))

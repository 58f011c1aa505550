"""The freeze of a cluster: while it holds, nothing new begins on any node (contract: freeze).

It is a ConfigMap in the namespace of the jobs, which the service alone writes, and which steps read before they lock a
node: it holds while the service is down.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

#: Of the ConfigMap. No job's files are called so: a job's id has no dot.
NAME = "freeze.opsjob.io"
_BY, _REASON, _SINCE = "by", "reason", "since"
#: Of each of the texts; the API takes no longer reason.
_CHARACTERS = 500


def one_line(text: str) -> str:
    """A text as it stands in a line of a log: without what ends lines or drives terminals."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:_CHARACTERS])
    return " ".join(printable.split())


@dataclass(frozen=True, slots=True)
class Freeze:
    """Who froze the cluster, why, and since when (RFC 3339 in UTC)."""

    by: str
    reason: str
    since: str

    @classmethod
    def of(cls, found: Mapping[str, Any] | None) -> Self | None:
        """What the ConfigMap says; None: there is none. One that a person made freezes too, whatever it lacks."""
        if found is None:
            return None
        data = found.get("data") or {}
        since = data.get(_SINCE) or found["metadata"].get("creationTimestamp") or ""
        by, reason = one_line(data.get(_BY, "")), one_line(data.get(_REASON, ""))
        return cls(by or "a person", reason or "no reason was given", since)

    @property
    def data(self) -> dict[str, str]:
        """As the ConfigMap has it."""
        return {_BY: self.by, _REASON: self.reason, _SINCE: self.since}

    @property
    def who_and_why(self) -> dict[str, str]:
        """The same without since when, which stays where the cluster is frozen already."""
        return {_BY: self.by, _REASON: self.reason}

    @property
    def sentence(self) -> str:
        """What keeps every node from beginning."""
        return f"the cluster is frozen by {self.by}: {self.reason}"

"""How many of the planned nodes: a number, or a share of them in whole percent ("20%")."""

import re
from dataclasses import dataclass
from typing import Any, Self

_PERCENT = re.compile(r"(0|[1-9][0-9]?|100)%")
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class Share:
    """`number` nodes, or that much percent of those that are planned."""

    number: int
    percent: bool = False

    @classmethod
    def of(cls, value: Any, *, least: int) -> Self:
        """A number of at least so many, or a text like "20%" from that (0 or 1) to 100.

        Raises:
            ValueError: it is neither; the message is for the caller.
        """
        if isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31:
            return cls(value)
        found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
        if found and min(least, 1) <= int(found[1]):
            return cls(int(found[1]), percent=True)
        raise ValueError(f'must be a whole number from {least}, or a text from "{min(least, 1)}%" to "100%"')

    def down(self, planned: int, *, least: int = 0) -> int:
        """Of so many planned nodes, rounded down, but at least so many."""
        return max(least, planned * self.number // _WHOLE) if self.percent else self.number

    def up(self, planned: int) -> int:
        """Of so many planned nodes, rounded up, and at least one."""
        return max(1, -(-planned * self.number // _WHOLE)) if self.percent else self.number

    def hundredths(self, planned: int) -> int:
        """What it comes to before it is rounded, in hundredths of a node."""
        return self.number * (planned if self.percent else _WHOLE)

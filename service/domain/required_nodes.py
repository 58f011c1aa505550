"""The success ratio of an addon job, in exact arithmetic (contract: availableRatio)."""

from decimal import Decimal
from fractions import Fraction
from math import ceil


def required(ratio: Decimal, planned: int) -> int:
    """How many of the planned nodes must succeed: the least whole number that is not below ratio times planned.

    The ratio comes as the Decimal of its JSON text. A binary float would turn 0.07 times 100 into more than 7.
    """
    return ceil(Fraction(ratio) * planned)

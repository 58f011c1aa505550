"""Text that checks wrote, made fit to be written on: in UTF-8, JSON and XML."""

import math
import re
from typing import Any

_CHARACTERS = 500
#: What XML 1.0 cannot hold, however it is escaped; UTF-8 cannot hold some of it either.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def short(value: Any) -> str:
    """Anything as a text of a length that a line of the report holds; None: empty."""
    return "" if value is None else clean(str(value)[:_CHARACTERS])


def measured(value: Any) -> float | str | None:
    """A number as such where JSON has it: not NaN, nor what is larger than any float."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)):
        return value
    return short(value)


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False

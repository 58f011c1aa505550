"""Times as people read them: of this machine's zone, or in UTC; and durations as people write them."""

import re
from datetime import UTC, datetime, timedelta

from opsjobs_cli.complaints import UsageError
from opsjobs_cli.neutral_text import neutral

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"(\d+)([smhdw])")
#: The longest that is shown in the smaller unit: 119 s, but 2 m.
_PATIENCE = 120


def read(text: str) -> datetime | None:
    """An RFC 3339 time of the API; None: it is empty, or no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def shown(text: str, *, utc: bool) -> str:
    """A time of the API, to the second; empty where it is empty."""
    moment = read(text)
    if moment is None:
        return neutral(text)
    if utc:
        return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def took(start: str, end: str, now: datetime | None = None) -> str:
    """How long from start to end, or until now where it has not ended; empty where it has not begun."""
    begun = read(start)
    if begun is None:
        return ""
    over = read(end) or now or datetime.now(UTC)
    return spoken((over - begun).total_seconds())


def spoken(seconds: float) -> str:
    """A duration in its one or two largest units, like 3m12s."""
    left = max(0, round(seconds))
    if left < _PATIENCE:
        return f"{left}s"
    minutes, left = divmod(left, 60)
    if minutes < _PATIENCE:
        return f"{minutes}m{left:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours < _UNITS["d"] / _UNITS["h"] * 2 else f"{hours // 24}d{hours % 24}h"


def asked(text: str, now: datetime | None = None) -> str:
    """A time of a person, for the API: RFC 3339 as it is, or how long ago, like 90m, 12h, 7d.

    Raises:
        UsageError: it is neither.
    """
    if match := _DURATION.fullmatch(text):
        try:
            moment = (now or datetime.now(UTC)) - timedelta(seconds=int(match[1]) * _UNITS[match[2]])
        except OverflowError:
            moment = datetime.min.replace(tzinfo=UTC)
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise UsageError(
                f"{neutral(text)!r} is no time: write how long ago, like 90m, 12h or 7d, or a time like "
                "2026-01-31T08:00:00+01:00 (without an offset: this machine's zone)"
            ) from None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

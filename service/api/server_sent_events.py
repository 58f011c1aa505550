"""Server-sent events as bytes (the HTML standard's text/event-stream)."""

import json
from typing import Any

MEDIA_TYPE = "text/event-stream"
#: Keeps proxies and readers from believing that the connection is dead.
COMMENT = b": \n\n"


def event(name: str, data: Any, event_id: str = "") -> bytes:
    """One event with its data as JSON, on one line whatever is in it. `event_id` holds no line break."""
    identity = f"id: {event_id}\n" if event_id else ""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # JSON writes every control character out; a lone surrogate cannot be sent.
    return f"event: {name}\n{identity}data: {text}\n\n".encode(errors="replace")


def wanted(accept: str) -> bool:
    """Whether the header field Accept asks for events."""
    return any(part.partition(";")[0].strip().lower() == MEDIA_TYPE for part in accept.split(","))

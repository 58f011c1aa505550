"""Lists of the service, of as many pages as they take."""

from typing import Any

from opsjobs_cli.printing import note
from opsjobs_cli.session import Session

#: What the service answers at most at once.
PAGE = 1000


def read_pages(session: Session, path: str, asked: dict[str, Any], offset: int, limit: int) -> dict[str, Any]:
    """The last page as the service returned it, with the items of all of them; `limit` is 1 at least."""
    items: list[Any] = []
    while True:
        page = {"offset": str(offset + len(items)), "limit": str(min(limit - len(items), PAGE))}
        answer = session.service.get(path, asked | page).json()
        items += answer["items"]
        if not answer["items"] or len(items) >= limit or offset + len(items) >= answer["totalCount"]:
            return {**answer, "items": items}


def note_what_is_left(session: Session, found: dict[str, Any], offset: int, narrower: str) -> None:
    """Tell a person how many there are beyond what was read, and what else narrows the list."""
    left = found["totalCount"] - offset - len(found["items"])
    if session.output.is_for_people and left > 0:
        note(f"… and {left} more: --limit, --offset, or a {narrower}")

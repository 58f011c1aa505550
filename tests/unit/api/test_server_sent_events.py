import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.server_sent_events import event, wanted


@given(text=st.text())
def test_an_event_is_one_line_of_data_whatever_is_in_it(text: str) -> None:
    sent = event("line", {"text": text}, "7").decode()
    name, identity, data, *rest = sent.split("\n")
    assert (name, identity, rest) == ("event: line", "id: 7", ["", ""])
    assert json.loads(data.removeprefix("data: "))["text"].encode(errors="replace") == text.encode(errors="replace")
    assert "\r" not in sent


@pytest.mark.parametrize(
    ("accept", "events"),
    [
        ("text/event-stream", True),
        ("text/html, Text/Event-Stream;q=0.9", True),
        ("*/*", False),
        ("", False),
        ("text/plain", False),
    ],
)
def test_events_are_for_who_asks_for_them(accept: str, events: bool) -> None:  # noqa: FBT001 - a table
    assert wanted(accept) is events

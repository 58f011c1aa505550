import json
from decimal import Decimal

import pytest

from service.api import body
from service.api.problems import Problem


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"[" * 100_000,
        b'{"a": ' * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=range(10),
)
def test_what_is_no_json_object_is_a_400(content: bytes) -> None:
    with pytest.raises(Problem) as caught:
        body.parse(content)
    assert caught.value.status == 400
    assert caught.value.faults


def test_text_that_cannot_be_stored_is_named_with_its_path() -> None:
    content = json.dumps({"name": "a\0b", "env": {"X": "\ud800"}, "inputs": [{"name": "node", "value": "ok"}]})
    with pytest.raises(Problem) as caught:
        body.parse(content.encode())
    assert [fault.path for fault in caught.value.faults] == ["name", "env.X"]


def test_fractions_stay_exact() -> None:
    assert body.parse(b'{"r": 0.1}') == {"r": Decimal("0.1")}


def test_the_same_json_has_one_canonical_form() -> None:
    assert body.canonical(body.parse(b'{"a": 1, "b": 0.50}')) == body.canonical(body.parse(b'{ "b":0.50,"a":1}'))
    assert body.canonical(body.parse(b'{"a": 1}')) != body.canonical(body.parse(b'{"a": 2}'))

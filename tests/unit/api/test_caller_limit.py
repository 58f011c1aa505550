import pytest

from service.api.caller_limit import CallerLimit
from service.api.problems import Problem


def test_who_has_too_many_requests_under_way_is_told_when_to_come_back() -> None:
    turns = CallerLimit(2)
    with turns.take("alice"), turns.take("alice"), pytest.raises(Problem) as caught, turns.take("alice"):
        pass
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (429, "1")


def test_nobody_waits_for_another_caller() -> None:
    turns = CallerLimit(1)
    with turns.take("alice"), turns.take("bob"):
        assert len(turns) == 2


def test_a_turn_is_given_back_however_the_request_ends() -> None:
    turns = CallerLimit(1)
    for _ in range(3):
        with pytest.raises(RuntimeError), turns.take("alice"):
            raise RuntimeError
    assert len(turns) == 0

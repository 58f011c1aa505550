from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.required_nodes import required
from workflow_templates.addon.failure_limit import out_of_reach

RATIOS = st.decimals(min_value="0.0001", max_value="1", places=4)
NODES = st.integers(min_value=1, max_value=10_000)


@pytest.mark.parametrize(
    ("ratio", "planned", "expected"),
    [
        ("1.0", 4, 4),
        ("0.75", 4, 3),
        ("0.75", 5, 4),
        ("0.5", 3, 2),
        ("0.01", 1, 1),
        # Where binary floats go wrong: 0.07 * 100 is 7.000000000000001, 0.28 * 25 is 7.000000000000001.
        ("0.07", 100, 7),
        ("0.28", 25, 7),
        ("0.1", 10, 1),
        ("0.9", 10, 9),
        # More digits than a Decimal context would keep.
        ("0.333333333333333333333333333334", 3, 2),
        ("0.333333333333333333333333333333", 3, 1),
    ],
)
def test_required_is_the_least_number_that_meets_the_ratio(ratio: str, planned: int, expected: int) -> None:
    assert required(Decimal(ratio), planned) == expected


@given(RATIOS, NODES)
def test_required_meets_the_ratio_and_one_less_does_not(ratio: Decimal, planned: int) -> None:
    least = required(ratio, planned)
    assert 1 <= least <= planned
    assert least >= Fraction(ratio) * planned
    assert least - 1 < Fraction(ratio) * planned


@given(RATIOS, NODES, st.data())
def test_the_steps_give_up_exactly_when_all_others_succeeding_is_not_enough(
    ratio: Decimal, planned: int, data: st.DataObject
) -> None:
    failed = data.draw(st.integers(min_value=0, max_value=planned))
    assert out_of_reach(planned, failed, required(ratio, planned)) == (planned - failed < Fraction(ratio) * planned)


def test_a_ratio_of_one_is_lost_with_the_first_failure() -> None:
    assert not out_of_reach(4, 0, required(Decimal(1), 4))
    assert out_of_reach(4, 1, required(Decimal(1), 4))

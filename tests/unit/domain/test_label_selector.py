"""Label selectors mean what they mean to kubectl."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.label_selector import LabelSelector, Requirement, SelectorError, parse

H100 = {"gpu": "h100", "rack": "r1", "example.com/pool": "a", "slots": "8", "empty": ""}


@pytest.mark.parametrize(
    "selector",
    [
        "gpu=h100",
        "gpu==h100",
        " gpu = h100 , rack in ( r1 , r2 ) ",
        "gpu",
        "!spare",
        "! spare,gpu",
        "gpu!=a100",
        "spare!=yes",
        "spare notin (yes,no)",
        "rack in (r1,r2),rack notin (r2)",
        "example.com/pool=a",
        "slots>7,slots<9",
        "empty=",
        "empty in (,x)",
        "empty,empty==",
        "rack in (in,notin,r1)",
    ],
)
def test_what_matches(selector: str) -> None:
    assert parse(selector).matches(H100)


@pytest.mark.parametrize(
    "selector",
    [
        "gpu=a100",
        "gpu!=h100",
        "spare",
        "!gpu",
        "rack in (r2,r3)",
        "rack notin (r1)",
        "spare=",
        "slots>8",
        "gpu>1",
    ],
)
def test_what_does_not(selector: str) -> None:
    assert not parse(selector).matches(H100)


@pytest.mark.parametrize(
    "selector",
    [
        "",
        "  ",
        ",",
        "gpu,",
        ",gpu",
        "gpu=h100 rack=r1",
        "gpu=h100=x",
        "gpu in h100",
        "gpu in ()",
        "gpu in (h100",
        "gpu notin",
        "!gpu=h100",
        "!",
        "!!gpu",
        "=h100",
        "gpu=h100)",
        "-gpu",
        "example.com/",
        "/gpu",
        "a/b/c",
        "Example.com/gpu",
        "gpu=-x",
        "gpu=x/y",
        "gpu=" + "x" * 64,
        "slots>many",
        "slots>",
        "gpu=é",
        "gpu=h100\x00",
    ],
)
def test_what_is_no_selector(selector: str) -> None:
    with pytest.raises(SelectorError):
        parse(selector)


def test_the_fault_says_what_stands_where() -> None:
    with pytest.raises(SelectorError, match="expected ',', found 'rack'"):
        parse("gpu=h100 rack=r1")
    with pytest.raises(SelectorError, match="expected ',' or '\\)', found 'its end'"):
        parse("gpu in (h100")


KEYS = st.sampled_from(["gpu", "rack", "example.com/pool", "in", "notin", "a.b-c_d"])
VALUES = st.sampled_from(["", "h100", "r1", "in", "x-1", "7", "-"]).filter(lambda value: value != "-")
REQUIREMENTS = st.one_of(
    st.builds(Requirement, KEYS, st.sampled_from(["in", "notin"]), st.frozensets(VALUES, min_size=1, max_size=3)),
    st.builds(Requirement, KEYS, st.sampled_from(["exists", "!"])),
    st.builds(Requirement, KEYS, st.sampled_from(["<", ">"]), st.integers(-9, 9).map(lambda n: frozenset({str(n)}))),
)


def written(requirement: Requirement, space: str, *, short: bool) -> str:
    values = sorted(requirement.values)
    match requirement.operator:
        case "exists":
            return requirement.key
        case "!":
            return f"!{space}{requirement.key}"
        case "in" | "notin" as operator if values != [""] and not (short and len(values) == 1):
            return f"{requirement.key} {operator}{space}({space}{f'{space},{space}'.join(values)}{space})"
        case operator:
            sign = {"in": "=", "notin": "!="}.get(operator, operator)
            return f"{requirement.key}{space}{sign}{space}{values[0]}"


@given(
    requirements=st.lists(REQUIREMENTS, min_size=1, max_size=5),
    space=st.sampled_from(["", " ", "  \t"]),
    short=st.booleans(),
)
def test_a_selector_that_is_written_reads_as_it_was(
    *, requirements: list[Requirement], space: str, short: bool
) -> None:
    text = f"{space},{space}".join(written(each, space, short=short) for each in requirements)
    assert parse(text) == LabelSelector(tuple(requirements))


@given(st.text(max_size=40) | st.text("ab=!,()<> in", max_size=20))
def test_any_text_is_a_selector_or_a_fault(text: str) -> None:
    try:
        selector = parse(text)
    except SelectorError:
        return
    assert selector.requirements


@given(requirement=REQUIREMENTS, labels=st.dictionaries(KEYS, VALUES))
def test_the_opposite_of_a_requirement_matches_what_it_does_not(
    requirement: Requirement, labels: dict[str, str]
) -> None:
    opposite = {"in": "notin", "notin": "in", "exists": "!", "!": "exists"}.get(requirement.operator)
    if opposite:
        other = Requirement(requirement.key, opposite, requirement.values)
        assert requirement.matches(labels) != other.matches(labels)

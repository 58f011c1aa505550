"""What a rollout hands to the job's Workflow."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workflow_templates.protocol.rollout import Phase, Rollout

_FOR_EVER = 100 * 365 * 24 * 3600


def names(count: int) -> tuple[str, ...]:
    return tuple(f"n{index}" for index in range(count))


@given(st.lists(st.integers(1, 300), min_size=1, max_size=5))
def test_every_node_is_in_one_group_of_its_phase_in_order(sizes: list[int]) -> None:
    nodes = names(sum(sizes))
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    phases = tuple(Phase(nodes[start : start + size]) for start, size in zip(starts, sizes, strict=True))
    found = Rollout(phases=phases).parameters
    given_nodes, plan = json.loads(found["nodes"]), json.loads(found["plan"])
    assert json.loads(found["phases"]) == [str(number) for number in range(1, len(sizes) + 1)]
    for phase, entry in zip(phases, plan, strict=True):
        groups = [group.split(" to ") for group in entry["groups"]]
        # As the template takes them: counted from 1, the last one included.
        taken = [name for first, last in groups for name in given_nodes[int(first) - 1 : int(last)]]
        assert tuple(taken) == phase.nodes
        assert all(0 <= int(last) - int(first) < 50 for first, last in groups)
        assert all(" " in group for group in entry["groups"]), "no node may be called so"


def test_nothing_is_waited_for_after_the_last_phase() -> None:
    phases = (Phase(("n0",), 60), Phase(("n1",), 0, "manual"), Phase(("n2",), 30, "manual"))
    plan = json.loads(Rollout(phases=phases).parameters["plan"])
    assert [(entry["soak"], int(entry["gate"]) >= _FOR_EVER, entry["last"]) for entry in plan] == [
        ("60", False, "no"),
        ("0", True, "no"),
        ("0", False, "yes"),
    ]


def test_a_job_without_a_rollout_has_one_phase() -> None:
    plain = Rollout.plain(names(60))
    (phase,) = json.loads(plain.parameters["plan"])
    assert phase["groups"] == ["1 to 50", "51 to 60"]
    assert (phase["soak"], phase["gate"], phase["last"]) == ("0", "0", "yes")
    assert plain.nodes == names(60)


def test_lanes_end_at_a_failure_only_where_none_is_tolerated() -> None:
    def lanes(**fields: Any) -> tuple[list[str], list[str]]:
        rollout = Rollout(phases=(Phase(names(5)),), at_once=2, **fields)
        (phase,) = json.loads(rollout.parameters["plan"])
        return phase["lanes"], phase["tolerant-lanes"]

    both = ["1 of 2", "2 of 2"]
    assert lanes() == (both, [])
    assert lanes(failure_limit=1) == lanes(on_failure="pause") == ([], both)

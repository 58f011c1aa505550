"""From a request's rollout to phases of nodes: what it comes to, what is refused, what is warned of."""

import re
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.cluster_objects import Node
from service.domain.request_faults import FaultCode
from service.domain.rollout_plan import RolloutPlan, contradictions, resolve
from service.domain.share import Share


def named(count: int) -> list[Node]:
    return [Node(f"n{number:02}") for number in range(1, count + 1)]


def racked(*sizes: int) -> list[Node]:
    """Racks r0, r1, … of so many nodes; their names alternate with nothing of the rack in them."""
    racks = [f"r{rack}" for rack, size in enumerate(sizes) for _ in range(size)]
    return [Node(f"n{number:02}", labels={"rack": rack}) for number, rack in enumerate(racks, 1)]


def sizes(plan: RolloutPlan) -> list[int]:
    return [len(phase.nodes) for phase in plan.rollout.phases]


def fault(plan: RolloutPlan) -> tuple[str, FaultCode, str]:
    (found,) = plan.faults
    return found.path, found.code, found.message


class TestPhases:
    @pytest.mark.parametrize(
        ("planned", "wanted", "cut"),
        [
            (10, [1, "30%", "rest"], [1, 3, 6]),
            (10, [1, "30%", None], [1, 3, 6]),
            (10, ["25%", "rest"], [3, 7]),
            (3, ["50%", "50%"], [2, 1]),
            (4, [1, 3], [1, 3]),
            (1, ["1%", "rest"], [1]),
            (2, [2, "rest"], [2]),
            (1000, [1, "1%", "10%", "rest"], [1, 10, 100, 889]),
        ],
    )
    def test_shares_are_rounded_up_and_the_last_takes_the_rest(
        self, planned: int, wanted: list[Any], cut: list[int]
    ) -> None:
        phases = [{"nodes": nodes} if nodes is not None else {} for nodes in wanted]
        plan = resolve({"phases": phases}, named(planned))
        assert sizes(plan) == cut
        assert plan.faults == ()

    def test_without_phases_there_is_one(self) -> None:
        plan = resolve({}, named(3))
        assert [phase.nodes for phase in plan.rollout.phases] == [("n01", "n02", "n03")]
        assert (plan.warnings, plan.faults) == ((), ())

    @pytest.mark.parametrize("wanted", [[1, 5, "rest"], ["60%", "60%"], [1, "100%"], [5], [2, "rest", 9]])
    def test_more_nodes_than_are_planned_are_refused_with_where_it_is_too_many(self, wanted: list[Any]) -> None:
        path, code, message = fault(resolve({"phases": [{"nodes": nodes} for nodes in wanted]}, named(4)))
        assert re.fullmatch(r"rollout\.phases\[\d\]\.nodes", path)
        assert code is FaultCode.INVALID_VALUE
        assert "take more nodes than the 4 that are planned" in message

    def test_nodes_that_no_phase_takes_are_refused(self) -> None:
        path, _, message = fault(resolve({"phases": [{"nodes": 1}, {"nodes": "50%"}]}, named(4)))
        assert (path, message[:42]) == ("rollout.phases", "leave 1 of the 4 planned nodes over: let t")

    def test_a_phase_for_which_no_node_is_left_is_left_out_and_that_is_said(self) -> None:
        plan = resolve({"phases": [{"nodes": "1%"}, {"nodes": "50%"}, {"nodes": "rest"}]}, named(1))
        assert sizes(plan) == [1]
        assert [warning[:8] for warning in plan.warnings] == ["phase 2 ", "phase 3 "]

    def test_what_follows_a_phase_is_kept_and_nothing_follows_the_last(self) -> None:
        wanted = [{"nodes": 1, "soakSeconds": 60, "advance": "manual"}, {"advance": "manual"}]
        plan = resolve({"phases": wanted}, named(2))
        assert [(phase.soak_seconds, phase.advance) for phase in plan.rollout.phases] == [(60, "manual"), (0, "manual")]
        assert plan.warnings == ("nothing follows the last phase: its soakSeconds and advance do nothing",)


class TestLimits:
    @pytest.mark.parametrize(
        ("wanted", "batch_count", "limits"),
        [
            ({}, None, (None, 1)),
            ({}, 3, (None, 3)),
            ({"maxUnavailable": 4}, None, (4, 4)),
            ({"maxUnavailable": 4}, 2, (4, 2)),
            ({"maxUnavailable": 2}, 5, (2, 2)),
            ({"maxUnavailable": "25%"}, None, (2, 2)),
            ({"maxUnavailable": "1%"}, None, (1, 1)),
            ({"maxUnavailable": 99}, None, (99, 10)),
        ],
    )
    def test_as_many_at_work_as_the_smaller_of_both(
        self, wanted: dict[str, Any], batch_count: int | None, limits: tuple[int | None, int]
    ) -> None:
        rollout = resolve(wanted, named(10), batch_count=batch_count).rollout
        assert (rollout.max_unavailable, rollout.at_once) == limits

    @pytest.mark.parametrize(("limit", "comes_to"), [(None, 7), (0, 0), (3, 3), ("0%", 0), ("25%", 2), ("100%", 10)])
    def test_failures_are_counted_over_the_whole_job_and_rounded_down(self, limit: Any, comes_to: int) -> None:
        wanted = {} if limit is None else {"failureLimit": limit}
        assert resolve(wanted, named(10), failure_limit=7).rollout.failure_limit == comes_to

    def test_a_failure_limit_beside_a_ratio_is_a_contradiction(self) -> None:
        (found,) = contradictions({"rollout": {"failureLimit": 0}, "availableRatio": Decimal("0.5")})
        assert (found.path, found.code) == ("rollout.failureLimit", FaultCode.CONTRADICTION)
        assert "0 and 0.5 were sent" in found.message
        assert list(contradictions({"rollout": {"maxUnavailable": 1}, "availableRatio": Decimal(1)})) == []
        assert list(contradictions({"rollout": {"failureLimit": 1}})) == []


class TestTopology:
    SPREAD: ClassVar = {"topology": {"label": "rack", "maxPerGroup": 1}}
    TOGETHER: ClassVar = {"topology": {"label": "rack", "together": True}}

    def test_groups_that_are_spread_take_turns(self) -> None:
        plan = resolve(self.SPREAD, racked(3, 1, 2))
        assert plan.rollout.nodes == ("n01", "n04", "n05", "n02", "n06", "n03")
        assert plan.rollout.groups["n06"] == "r2"

    def test_groups_that_go_together_are_never_in_two_phases(self) -> None:
        wanted = {**self.TOGETHER, "maxUnavailable": 3, "phases": [{"nodes": 1}, {"nodes": "rest"}]}
        plan = resolve(wanted, racked(2, 3, 1))
        assert sizes(plan) == [2, 4]
        assert plan.warnings == ("phase 1 has 2 nodes instead of 1: groups stay together",)

    @pytest.mark.parametrize(
        ("more", "batch_count", "path"),
        [
            ({"maxUnavailable": 2}, None, "rollout.maxUnavailable"),
            ({"maxUnavailable": "50%"}, None, "rollout.maxUnavailable"),
            ({}, None, "rollout.maxUnavailable"),
            ({"maxUnavailable": 3}, 2, "batchCount"),
            ({}, 2, "batchCount"),
        ],
    )
    def test_a_group_that_can_never_begin_together_is_refused(
        self, more: dict[str, Any], batch_count: int | None, path: str
    ) -> None:
        found = fault(resolve({**self.TOGETHER, **more}, racked(1, 3, 1), batch_count=batch_count))
        assert found[:2] == (path, FaultCode.NEVER_BEGINS)
        assert found[2].startswith("group 'r1' has 3 planned nodes, which begin together; ")

    def test_a_label_that_no_planned_node_has_is_refused(self) -> None:
        wanted = {"topology": {"label": "row", "maxPerGroup": 1}}
        assert fault(resolve(wanted, racked(2)))[:2] == ("rollout.topology.label", FaultCode.UNKNOWN_LABEL)

    def test_nodes_without_the_label_are_named(self) -> None:
        plan = resolve(self.SPREAD, [*racked(2), Node("x2"), Node("x1")])
        assert plan.warnings == ("2 nodes have no label rack: each is a group of its own: x1; x2",)
        assert plan.rollout.group_of("x1") != plan.rollout.group_of("x2")


class TestOutOfService:
    DOWN = Node("n03", ready=False, labels={"rack": "r1"})
    BUSY = Node("n04", worked_on_by="job-1", labels={"rack": "r1"})
    CORDONED = Node("n05", cordoned=True, labels={"rack": "r2"})

    def test_what_is_out_of_service_already_is_said_with_the_reason(self) -> None:
        plan = resolve({"maxUnavailable": 3}, [*named(2), self.DOWN, self.BUSY, self.CORDONED])
        assert plan.out_of_service == {
            "n03": "is NotReady", "n04": "job job-1 works on it", "n05": "is cordoned",
        }  # fmt: skip
        (warning,) = plan.warnings
        assert warning == (
            "3 planned nodes are out of service already, of which maxUnavailable lets 3 be: no other node begins until "
            "that has changed: n03 is NotReady; n04 job job-1 works on it; n05 is cordoned"
        )
        assert plan.faults == ()

    def test_where_outages_are_not_counted_they_hold_nothing_up(self) -> None:
        plan = resolve({}, [*named(2), self.DOWN])
        assert plan.warnings == ("1 planned node is out of service already: n03 is NotReady",)

    def test_a_group_that_is_down_is_warned_of(self) -> None:
        spread = {"topology": {"label": "rack", "maxPerGroup": 1}}
        plan = resolve(spread, [*racked(2), self.DOWN, Node("n06", labels={"rack": "r1"})])
        held_up = "group 'r1': as many of its nodes as may be are out of service; the others wait for n03"
        assert plan.warnings[1] == held_up

    def test_a_whole_group_that_has_to_wait_is_warned_of(self) -> None:
        together = {"topology": {"label": "rack", "together": True}, "maxUnavailable": 2}
        plan = resolve(together, [*racked(2), self.DOWN])
        assert plan.warnings[1] == ("group 'r0' waits until fewer others are out of service: with it 3 would be, not 2")
        assert plan.faults == ()


SHARES = st.one_of(st.integers(1, 30), st.integers(1, 100).map("{}%".format))
NODES = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=30).map(
    lambda racks: [Node(f"n{i:02}", labels={"rack": rack} if rack else {}) for i, rack in enumerate(racks)]
)
TOPOLOGIES = st.sampled_from(
    [{}, {"label": "rack", "maxPerGroup": 1}, {"label": "rack", "maxPerGroup": 2}, {"label": "rack", "together": True}]
)


WANTED = st.builds(
    lambda shares, rest, **fields: {"phases": [{"nodes": share} for share in (*shares, *rest)], **fields},
    st.lists(SHARES, max_size=4),
    st.sampled_from([(), ("rest",)]),
    topology=TOPOLOGIES,
    maxUnavailable=st.none() | SHARES,
)


@given(NODES, WANTED, st.none() | st.integers(1, 9))
def test_whatever_is_asked_for_a_plan_without_faults_has_every_node_once(
    nodes: list[Node], wanted: dict[str, Any], batch: int | None
) -> None:
    plan = resolve({name: value for name, value in wanted.items() if value}, nodes, batch_count=batch)
    rollout = plan.rollout
    assert all(phase.nodes for phase in rollout.phases)
    assert 1 <= rollout.at_once <= min(len(nodes), rollout.max_unavailable or len(nodes))
    if plan.faults:
        return
    assert sorted(rollout.nodes) == [node.name for node in nodes]
    assert type(rollout).of(rollout.text()) == rollout
    if rollout.together:
        for group in set(rollout.groups.values()):
            members = [node for node, of in rollout.groups.items() if of == group]
            assert len({rollout.phase_of[node] for node in members}) == 1
            places = sorted(rollout.nodes.index(node) for node in members)
            assert places == list(range(places[0], places[0] + len(places)))
            assert len(members) <= rollout.at_once


@given(st.integers(0, 100), st.integers(1, 2000))
def test_a_share_is_rounded_as_the_contract_says(percent: int, planned: int) -> None:
    share = Share.of(f"{percent}%", least=0)
    assert share.down(planned) <= planned * percent / 100 <= share.up(planned)
    assert share.up(planned) - share.down(planned) <= 1
    assert share.up(planned) >= 1


WRONG = ["101%", "-1%", "5", "%", "5 %", "1.5%", "05%", "00%", 1.5, Decimal("1.5"), True, -1, [], "\u0663%", 2**31]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_share(wrong: Any) -> None:
    with pytest.raises(ValueError, match='must be a whole number from 0, or a text from "0%" to "100%"'):
        Share.of(wrong, least=0)


def test_what_is_out_of_service_begins_first_for_it_needs_no_room() -> None:
    """Behind a node that waits for it, it would never begin."""
    found = resolve(
        {"maxUnavailable": 1, "phases": [{"nodes": 1}, {}]}, [Node("n1"), Node("n2", ready=False), Node("n3")]
    )
    assert [phase.nodes for phase in found.rollout.phases] == [("n2",), ("n1", "n3")]

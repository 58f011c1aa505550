"""Rollouts by chance: whatever the plan and the order of events, no limit is passed, and every job ends."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_templates.protocol.ledger import Ledger, State
from workflow_templates.protocol.may_begin import Control, Hold, Seen, held
from workflow_templates.protocol.rollout import Phase, Rollout

_ENDED = (State.SUCCEEDED, State.FAILED, State.SKIPPED)


@st.composite
def rollouts(draw: st.DrawFn) -> Rollout:
    """Plans as the service makes them: groups that begin together fit, stand together, and are in one phase."""
    together = draw(st.booleans())
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))
    groups = {f"n{index}-{place}": f"rack-{index}" for index, size in enumerate(sizes) for place in range(size)}
    blocks = [[node for node in groups if groups[node] == f"rack-{index}"] for index in range(len(sizes))]
    if not together:
        blocks = [[node] for node in draw(st.permutations(sorted(groups)))]
    cuts = sorted(draw(st.sets(st.integers(1, len(blocks) - 1), max_size=2))) if len(blocks) > 1 else []
    bounds = [0, *cuts, len(blocks)]
    phases = [tuple(node for block in blocks[start:end] for node in block) for start, end in itertools.pairwise(bounds)]
    at_once = draw(st.integers(max(sizes) if together else 1, 6))
    counted = draw(st.booleans())
    return Rollout(
        phases=tuple(Phase(nodes) for nodes in phases),
        at_once=at_once,
        max_unavailable=draw(st.integers(max(sizes) if together else 1, 6)) if counted else None,
        failure_limit=draw(st.integers(0, 3)),
        on_failure=draw(st.sampled_from(("stop", "pause"))),
        groups=groups if draw(st.booleans()) or together else {},
        max_per_group=None if together else draw(st.sampled_from((None, 1, 2))),
        together=together,
    )


@dataclass
class World:
    """A job as Argo runs it: which nodes have a pod is its choice, which of them begin is ours."""

    rollout: Rollout
    #: Whether each place has its own row of nodes (reboot), or takes the next one (addon).
    lanes: bool
    #: Pods that Argo makes beyond what it was told to.
    too_many_pods: int = 0
    ledger: Ledger = field(init=False)
    out: frozenset[str] = frozenset()
    control: Control = field(default_factory=Control)
    #: What Argo knows of pods that were lost before they noted their end.
    lost: dict[str, State] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = Ledger.empty(self.rollout)

    @property
    def seen(self) -> Seen:
        failed = frozenset(node for node, state in self.lost.items() if state is State.FAILED)
        return Seen(self.out, frozenset(self.lost), failed)

    @property
    def at_work(self) -> frozenset[str]:
        return self.ledger.in_state(State.WORKING) - frozenset(self.lost)

    @property
    def failed(self) -> int:
        return len(self.ledger.in_state(State.FAILED) | self.seen.failed)

    def has_ended(self, node: str) -> bool:
        return node in self.lost or self.ledger.state(node) in _ENDED

    def pods(self) -> list[str]:
        """Nodes with a pod, of the first phase that has not ended."""
        for phase in self.rollout.phases:
            if any(not self.has_ended(node) for node in phase.nodes):
                return list(self._places(phase.nodes))
        return []

    def _places(self, nodes: tuple[str, ...]) -> Iterator[str]:
        places = self.rollout.at_once + self.too_many_pods
        if not self.lanes:
            yield from [node for node in nodes if not self.has_ended(node)][:places]
            return
        for lane in range(places):
            yield from [node for node in nodes[lane::places] if not self.has_ended(node)][:1]

    def ask(self, node: str) -> None:
        """What the step that begins a node does; here is what must never happen."""
        if self.ledger.state(node) is State.WORKING or node in self.lost:
            return
        hold = held(node, self.ledger, self.control, self.seen)
        if hold and hold.why is Hold.TOO_MANY_FAILED:
            self.ledger = self.ledger.noting(node, State.SKIPPED)
        if hold:
            return
        assert not self.control.paused
        assert self.failed - self.control.tolerated <= self.rollout.failure_limit
        self.ledger = self.ledger.noting(node, State.WORKING)
        self._check(node)

    def _check(self, node: str) -> None:
        rollout, at_work = self.rollout, self.at_work
        assert len(at_work) <= rollout.at_once
        if rollout.max_unavailable is not None:
            assert len(at_work | self.out) <= rollout.max_unavailable
        if rollout.together:
            groups = {(rollout.group_of(other), rollout.phase_of[other]) for other in at_work}
            members = [other for other in rollout.nodes if (rollout.group_of(other), rollout.phase_of[other]) in groups]
            assert sum(not self.has_ended(other) for other in members) <= rollout.at_once, "room for whole groups"
        earlier = [other for other in rollout.nodes if rollout.phase_of[other] < rollout.phase_of[node]]
        assert all(self.has_ended(other) for other in earlier)
        if rollout.max_per_group is not None:
            group = [other for other in at_work | self.out if rollout.group_of(other) == rollout.group_of(node)]
            assert len(group) <= rollout.max_per_group

    def end(self, node: str, state: State, *, noted: bool) -> None:
        if noted:
            self.ledger = self.ledger.noting(node, state)
        else:
            self.lost[node] = state


def _finish(world: World) -> None:
    """No more outages, a person resumes whenever the job pauses: it must come to an end."""
    world.out = frozenset()
    for _ in range(10 * len(world.rollout.nodes)):
        if not (pods := world.pods()):
            return
        world.control = Control(tolerated=world.failed if world.rollout.on_failure == "pause" else 0)
        for node in pods:
            world.ask(node)
        for node in sorted(world.at_work):
            world.end(node, State.SUCCEEDED, noted=True)
    raise AssertionError(f"the job does not end: {world.ledger.letters}")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_limit_is_passed_and_every_job_ends(data: st.DataObject) -> None:
    world = World(data.draw(rollouts()), data.draw(st.booleans()), data.draw(st.integers(0, 2)))
    for _ in range(data.draw(st.integers(0, 40))):
        event = data.draw(st.sampled_from(("ask", "ask", "ask", "end", "end", "lost", "outage", "pause", "resume")))
        at_work, pods = sorted(world.at_work), world.pods()
        if event == "ask" and pods:
            world.ask(data.draw(st.sampled_from(pods)))
        elif event in ("end", "lost") and at_work:
            state = data.draw(st.sampled_from((State.SUCCEEDED, State.FAILED)))
            world.end(data.draw(st.sampled_from(at_work)), state, noted=event == "end")
        elif event == "outage":
            world.out = frozenset(data.draw(st.sets(st.sampled_from(world.rollout.nodes), max_size=3)))
        elif event == "pause":
            world.control = Control("anna", world.control.tolerated)
        elif event == "resume":
            world.control = Control("", world.failed)
    _finish(world)


@given(rollouts())
def test_a_rollout_is_read_as_it_was_written(rollout: Rollout) -> None:
    assert Rollout.of(rollout.text()) == rollout

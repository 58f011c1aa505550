from dataclasses import replace

import pytest

from service.domain.job import NodePhase, PlannedNode
from service.domain.messages import cause, holding_up, listed, on_node, tally, turned_away
from service.domain.workflow import Step


def step(message: str, code: int | None = None) -> Step:
    return Step(
        name="wf[0].node(0:n1)(0)",
        template="node",
        type="Pod",
        phase="Failed",
        message=message,
        exit_code=code,
        node="n1",
        rollout_phase="",
        outputs={},
        started=None,
        finished=None,
        scheduled=True,
        clean_up=False,
    )


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("main: Error (exit code 3): disk /dev/sda is full", "disk /dev/sda is full (exit code 3)"),
        ("Error (exit code 3): disk is full", "disk is full (exit code 3)"),
        ("main: Error (exit code 1): thp failed with exit code 3", "thp failed with exit code 3"),
        ("main: Error (exit code 1): first line\nsecond line", "first line\nsecond line (exit code 1)"),
        ("main: Error (exit code 3)", "failed with exit code 3"),
        ("Error (exit code 64): ", "failed with exit code 64"),
        ("main: Error (exit code 75): node n1 is locked by job x", "node n1 is locked by job x"),
        ("main: Error (exit code 76): too many failed", "too many failed"),
        ("main: OOMKilled (exit code 137)", "ran out of memory (exit code 137)"),
        ("main: Unknown (exit code 255)", "node went away (rebooted or crashed) while the script ran"),
        ("Unknown (exit code 255)", "node went away (rebooted or crashed) while the script ran"),
        ("main: Error (exit code 255)", "node went away (rebooted or crashed) while the script ran"),
        (
            "main: OOMKilled (exit code 137): addon template a-1 was being run",
            "ran out of memory (exit code 137): addon template a-1 was being run",
        ),
        (
            "main: Unknown (exit code 255): addon template a-1 was being run",
            "node went away (rebooted or crashed) while the script ran: addon template a-1 was being run",
        ),
        (
            "main: Error (exit code 255): addon template a-1 was being run",
            "node went away (rebooted or crashed) while the script ran: addon template a-1 was being run",
        ),
        (
            "main: Error (exit code 137): addon template a-1 was being run",
            "addon template a-1 was being run (exit code 137)",
        ),
        (
            "main: Error (exit code 255): node n1 is being cordoned",
            "node went away (rebooted or crashed) while the script ran: node n1 is being cordoned",
        ),
        (
            "main: ContainerStatusUnknown (exit code 137): The container could not be located",
            "node went away (rebooted or crashed) while the script ran",
        ),
        (
            "Pod was terminated in response to imminent node shutdown.",
            "node went away (rebooted or crashed) while the script ran",
        ),
        ("pod deleted", "its pod was deleted while it worked"),
        ("Step exceeded its deadline", "was still working when the job's timeout passed"),
        (
            "Pod was active on the node longer than the specified deadline",
            "was still working when the job's timeout passed",
        ),
        ("workflow shutdown with strategy:  Stop", "was stopped while it worked"),
        ("workflow shutdown with strategy: Terminate", "was stopped while it worked"),
        ("Stopped with strategy 'Stop'", "was stopped while it worked"),
        ("The node was low on resource: memory.", "The node was low on resource: memory."),
        ("", "failed without a reason given"),
    ],
)
def test_a_cause_is_a_sentence_for_a_person(message: str, sentence: str) -> None:
    assert cause(step(message)) == sentence


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (None, "its pod was deleted while it worked"),
        (255, "its node went away (rebooted or crashed), or its pod was deleted, while it worked"),
        (3, "failed with exit code 3"),
    ],
)
def test_pod_deleted_may_be_written_over_an_end_that_is_known(code: int | None, sentence: str) -> None:
    """As Argo 4.0.7 did with the pod of a node that rebooted in mid-script."""
    assert cause(step("pod deleted", code)) == sentence


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("workflow shutdown with strategy:  Stop", "was stopped before it began"),
        ("Stopped with strategy 'Stop'", "was stopped before it began"),
        ("Step exceeded its deadline", "had not begun when the job's timeout passed"),
    ],
)
def test_what_never_began_did_not_work(message: str, sentence: str) -> None:
    assert cause(replace(step(message), scheduled=False)) == sentence
    assert cause(replace(step(message, 75))) == sentence


def test_who_waits_keeps_the_last_sentence_there_is() -> None:
    """Argo learns a step's sentence a moment after its exit code."""
    locked = step("main: Error (exit code 75): node n1 is locked by job x", 75)
    assert turned_away([locked, step("", 75)]) == "node n1 is locked by job x"
    assert turned_away([step("", 75)], "node n1 is busy") == "node n1 is busy"
    assert turned_away([step("", 75)]) == "its node is busy or locked by another job"


def test_an_exit_code_is_named_even_without_a_message() -> None:
    assert cause(step("", 4)) == "failed with exit code 4"


@pytest.mark.parametrize(
    "noise", ["", "PodInitializing", "Backoff for 10 seconds", "workflow shutdown with strategy:  Stop"]
)
def test_a_pod_on_its_way_is_not_held_up(noise: str) -> None:
    assert holding_up(step(noise)) == ""


@pytest.mark.parametrize(
    "reason", ["Unschedulable: 0/4 nodes are available: 1 Insufficient cpu.", "ImagePullBackOff: Back-off pulling x"]
)
def test_what_holds_a_pod_up_is_passed_on(reason: str) -> None:
    assert holding_up(step(reason)) == reason


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        (PlannedNode("n1", message="disk full"), "node n1: disk full"),
        (PlannedNode("n1", message="node n1 is locked by job x"), "node n1 is locked by job x"),
        (PlannedNode("n1"), "node n1: no reason is known"),
    ],
)
def test_a_nodes_message_names_it_once(node: PlannedNode, sentence: str) -> None:
    assert on_node(node) == sentence


def test_a_node_whose_name_is_part_of_another_is_named_all_the_same() -> None:
    assert on_node(PlannedNode("n1", message="cannot reach n10")) == "node n1: cannot reach n10"


def test_long_lists_end_with_how_many_there_are_beyond() -> None:
    assert listed(["a", "b"]) == "a; b"
    assert listed("abcde") == "a; b; c; d; e"
    assert listed("abcdefg") == "a; b; c; d; e; and 2 more nodes"


@pytest.mark.parametrize(
    ("phases", "sentence"),
    [
        ([], ""),
        ([NodePhase.SUCCEEDED], "1 of 1 node succeeded"),
        ([NodePhase.FAILED, NodePhase.FAILED], "0 of 2 nodes succeeded, 2 failed"),
        (
            [NodePhase.SUCCEEDED, NodePhase.FAILED, NodePhase.SKIPPED, NodePhase.SKIPPED],
            "1 of 4 nodes succeeded, 1 failed, 2 never begun",
        ),
    ],
)
def test_a_tally_counts_what_happened(phases: list[NodePhase], sentence: str) -> None:
    assert tally([PlannedNode(f"n{index}", phase) for index, phase in enumerate(phases)]) == sentence

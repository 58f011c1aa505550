import pytest

from service.domain.job import NodePhase, Plan, PlannedNode
from service.domain.planned_nodes import observed
from service.domain.workflow import Workflow
from tests.unit.domain.argo import (
    JOB_ID,
    Entry,
    Pod,
    at,
    busy,
    cut_off,
    entry,
    failed,
    on,
    pending,
    running,
    succeeded,
    workflow,
)

SHUTDOWN = "workflow shutdown with strategy:  Stop"
DEADLINE = "Step exceeded its deadline"


def seen(*items: list[Entry], phase: str = "Running", nodes: str = "n1") -> tuple[PlannedNode, ...]:
    plan = Plan(tuple(PlannedNode(name) for name in nodes.split()))
    return observed(plan, Workflow(workflow(*items, phase=phase)))


@pytest.mark.parametrize(
    ("pods", "phase", "message"),
    [
        ([], NodePhase.PENDING, ""),
        ([pending()], NodePhase.PENDING, ""),
        ([pending("PodInitializing")], NodePhase.PENDING, ""),
        ([pending("Unschedulable: no cpu")], NodePhase.PENDING, "Unschedulable: no cpu"),
        ([running()], NodePhase.RUNNING, ""),
        ([busy()], NodePhase.WAITING, "node n1 is locked by job other-xyz789"),
        ([busy(), busy("node n1 is busy")], NodePhase.WAITING, "node n1 is busy"),
        ([busy(), pending("PodInitializing", 30)], NodePhase.WAITING, "node n1 is locked by job other-xyz789"),
        ([busy(), pending("ErrImagePull: x", 30)], NodePhase.WAITING, "ErrImagePull: x"),
        ([busy(), running(30)], NodePhase.RUNNING, ""),
        # Ended, but Argo has not drawn its conclusion yet: it may still be taken up again.
        ([failed(3)], NodePhase.RUNNING, ""),
    ],
)
def test_a_node_whose_work_is_open(pods: list[Pod], phase: NodePhase, message: str) -> None:
    (node,) = seen(on("n1", "Running", *pods))
    assert (node.phase, node.message) == (phase, message)
    assert node.end is None


def test_what_a_node_waits_for_stays_said_until_there_is_something_new() -> None:
    """Between an attempt's end and its sentence, and while the next one is on its way."""
    silent = Pod("Failed", 75, "", 30, 32)
    for pods in ([busy(), silent], [busy(), silent, pending("", 50)]):
        (node,) = seen(on("n1", "Running", *pods))
        assert (node.phase, node.message) == (NodePhase.WAITING, "node n1 is locked by job other-xyz789")
    before = Plan((PlannedNode("n1", NodePhase.WAITING, "node n1 is busy"),))
    (node,) = observed(before, Workflow(workflow(on("n1", "Running", silent))))
    assert node.message == "node n1 is busy"


def test_a_pod_that_is_stopped_before_it_began_says_nothing_of_work() -> None:
    (node,) = seen(on("n1", "Running", Pod("Pending", None, SHUTDOWN, host=False)))
    assert (node.phase, node.message) == (NodePhase.PENDING, "")


@pytest.mark.parametrize(
    ("pods", "phase", "message"),
    [
        ([succeeded()], NodePhase.SUCCEEDED, ""),
        ([busy(), succeeded(30, 40)], NodePhase.SUCCEEDED, ""),
        ([failed(3, "disk full")], NodePhase.FAILED, "disk full (exit code 3)"),
        ([busy(), failed(3, start=30, end=40)], NodePhase.FAILED, "failed with exit code 3"),
        ([failed(76, "too many nodes failed")], NodePhase.SKIPPED, "not begun: too many nodes failed"),
        ([busy()], NodePhase.SKIPPED, "not begun: node n1 is locked by job other-xyz789"),
        (
            [busy(), Pod("Failed", 75, "Pod was active on the node longer than the specified deadline", 30, 35)],
            NodePhase.SKIPPED,
            "not begun: node n1 is locked by job other-xyz789",
        ),
        ([cut_off(SHUTDOWN, host=True)], NodePhase.FAILED, "was stopped while it worked"),
        ([cut_off(SHUTDOWN, host=False)], NodePhase.SKIPPED, "not begun"),
        ([cut_off(DEADLINE, host=True)], NodePhase.FAILED, "was still working when the job's timeout passed"),
        ([cut_off(DEADLINE, host=False)], NodePhase.SKIPPED, "not begun"),
        ([cut_off("pod deleted", host=True)], NodePhase.FAILED, "its pod was deleted while it worked"),
        ([busy(), cut_off(SHUTDOWN, host=False, start=30)], NodePhase.SKIPPED, "not begun"),
        (
            [Pod("Failed", 255, "main: Unknown (exit code 255)", end=20)],
            NodePhase.FAILED,
            "node went away (rebooted or crashed) while the script ran",
        ),
    ],
)
def test_a_node_whose_work_ended(pods: list[Pod], phase: NodePhase, message: str) -> None:
    (node,) = seen(on("n1", "Succeeded" if phase is NodePhase.SUCCEEDED else "Failed", *pods))
    assert (node.phase, node.message) == (phase, message)


def test_an_item_that_argo_failed_without_ever_making_a_pod_was_not_begun() -> None:
    (node,) = seen(on("n1", "Failed", text=SHUTDOWN), phase="Failed")
    assert (node.phase, node.message) == (NodePhase.SKIPPED, "not begun")


@pytest.mark.parametrize("argos_word", ["Skipped", "Omitted"])
def test_a_step_that_argo_left_out_was_not_begun(argos_word: str) -> None:
    assert seen(on("n1", argos_word))[0].phase is NodePhase.SKIPPED


def test_a_pod_that_could_not_be_made_fails_its_node_with_the_reason() -> None:
    (node,) = seen(on("n1", "Error", text="invalid podSpecPatch"))
    assert (node.phase, node.message) == (NodePhase.FAILED, "invalid podSpecPatch")


def test_a_check_that_was_given_up_before_it_started_keeps_the_reason() -> None:
    plan = Plan((PlannedNode("n1", NodePhase.PENDING, "ImagePullBackOff: no such image"),))
    given_up = Pod("Failed", 137, "Pod was active on the node longer than the specified deadline", 10, 20)
    (node,) = first = observed(plan, Workflow(workflow(on("n1", "Failed", given_up))))
    assert (node.phase, node.message) == (NodePhase.FAILED, "could not be started: ImagePullBackOff: no such image")
    assert node.start is None
    again = Workflow(workflow(on("n1", "Failed", given_up), phase="Failed"))
    assert observed(Plan(first), again) == first, "and keeps it to the end"


def test_a_check_that_could_not_be_started_says_so_in_its_runners_words() -> None:
    why = "could not be started within 60 s: no such image"
    (node,) = seen(on("n1", "Failed", Pod("Failed", 77, f"main: Error (exit code 77): {why}", 10, 20)))
    assert (node.phase, node.message, node.start) == (NodePhase.FAILED, why, None)


def test_success_is_known_before_argo_concludes_it_as_it_never_does_while_suspended() -> None:
    (node,) = seen(on("n1", "Running", succeeded(10, 20)))
    assert (node.phase, node.end) == (NodePhase.SUCCEEDED, at(20))


@pytest.mark.parametrize(
    ("before", "phase"),
    [
        (PlannedNode("n1", NodePhase.PENDING, "ErrImagePull: x"), NodePhase.SKIPPED),
        (PlannedNode("n1", NodePhase.RUNNING), NodePhase.FAILED),
        (PlannedNode("n1"), NodePhase.FAILED),
    ],
)
def test_a_pod_cut_off_without_an_exit_code_is_judged_by_how_it_was_last_seen(
    before: PlannedNode, phase: NodePhase
) -> None:
    flow = Workflow(workflow(on("n1", "Failed", cut_off(SHUTDOWN, host=True))))
    assert observed(Plan((before,)), flow)[0].phase is phase


def test_times_are_those_of_the_attempt_that_worked() -> None:
    (node,) = seen(on("n1", "Succeeded", busy(start=10, end=12), succeeded(start=40, end=55)))
    assert (node.start, node.end) == (at(40), at(55))


def test_a_waiting_node_has_not_started() -> None:
    (node,) = seen(on("n1", "Running", busy()))
    assert (node.start, node.end) == (None, None)


def test_nodes_that_no_step_was_made_for_wait_for_their_turn() -> None:
    first, second = seen(on("n1", "Running", running()), nodes="n1 n2")
    assert (first.phase, second.phase) == (NodePhase.RUNNING, NodePhase.PENDING)


def test_a_node_that_was_planned_while_another_job_worked_on_it_says_so_until_its_turn() -> None:
    waiting = PlannedNode("n1", NodePhase.WAITING, "waits for job other-xyz789, which works on it")
    plan = Plan((waiting, PlannedNode("n2")))
    before = observed(plan, Workflow(workflow(on("n2", "Running", running()))))
    assert (before[0], before[1].phase) == (waiting, NodePhase.RUNNING)
    (working, _) = observed(plan, Workflow(workflow(on("n1", "Running", running()))))
    assert (working.phase, working.message) == (NodePhase.RUNNING, "")
    (never, _) = observed(plan, Workflow(workflow(phase="Failed")))
    assert (never.phase, never.message) == (NodePhase.SKIPPED, f"not begun: {waiting.message}")


def test_every_node_is_final_once_the_workflow_completed() -> None:
    nodes = seen(
        on("n1", "Running", running()),
        on("n2", "Running", busy("node n2 is busy"), index=1),
        on("n3", "Running", pending("Unschedulable: x"), index=2),
        phase="Failed",
        nodes="n1 n2 n3 n4",
    )
    assert [(node.phase, node.message) for node in nodes] == [
        (NodePhase.FAILED, "was still at work when the job ended"),
        (NodePhase.SKIPPED, "not begun: node n2 is busy"),
        (NodePhase.SKIPPED, "not begun: Unschedulable: x"),
        (NodePhase.SKIPPED, "not begun"),
    ]


def test_the_plan_keeps_its_order_and_only_its_nodes() -> None:
    nodes = seen(on("n9", "Running", running()), on("n1", "Running", running(), index=1), nodes="n2 n1")
    assert [node.name for node in nodes] == ["n2", "n1"]


def test_a_node_is_known_by_the_item_where_argo_shows_no_inputs() -> None:
    lost = entry(f"{JOB_ID}[0].node(4:gpu-1.example.com)", "Pod", "Failed", text="main: Error (exit code 2)", code=2)
    assert seen([lost], nodes="gpu-1.example.com")[0].message == "failed with exit code 2"


def test_the_failing_template_is_named() -> None:
    outcome = {"templates": [{"name": "sysctl", "result": "succeeded"}, {"name": "thp", "result": "failed"}]}
    (node,) = seen(on("n1", "Failed", failed(3, "no such file"), outcome=outcome))
    assert node.message == "thp: no such file (exit code 3)"


def test_a_template_that_the_sentence_names_is_not_named_twice() -> None:
    outcome = {"templates": [{"name": "thp", "result": "failed"}]}
    (node,) = seen(on("n1", "Failed", failed(1, "thp failed with exit code 3"), outcome=outcome))
    assert node.message == "thp failed with exit code 3"


def test_a_nodes_own_word_on_its_success_is_kept() -> None:
    (node,) = seen(on("n1", "Succeeded", succeeded(), outcome={"message": "all in place already"}))
    assert node.message == "all in place already"


@pytest.mark.parametrize("unreadable", ["", "no json", "[1]", "null", '{"templates": 1}', '{"templates": ["x"]}'])
def test_an_unreadable_outcome_is_no_outcome(unreadable: str) -> None:
    (node,) = seen(on("n1", "Failed", failed(3), outcome=unreadable))
    assert node.message == "failed with exit code 3"


def test_clean_up_steps_do_not_count_as_work_on_a_node() -> None:
    restore = entry(f"{JOB_ID}.onExit", "Pod", "Running", node="n1", start=10, host=True)
    assert seen([restore])[0].phase is NodePhase.PENDING


def test_a_node_with_several_steps_is_at_work_until_its_last_one_ended() -> None:
    """The shape of a reboot: a group of steps per node, each with its own pod."""
    group = f"{JOB_ID}[0].reboot(0:n1)"
    first = entry(f"{group}[0].drain", "Pod", "Succeeded", node="n1", start=10, end=20, code=0, host=True)
    between = entry(f"{group}[1].wait", "Pod", "Pending", node="n1", start=21, text="Unschedulable: x")
    (node,) = seen([entry(group, "Steps", "Running", node="n1", start=9), first, between])
    assert (node.phase, node.start) == (NodePhase.RUNNING, at(10))
    broken = entry(f"{group}[1].wait", "Pod", "Failed", node="n1", start=21, end=50, code=1, host=True)
    broken["message"] = "main: Error (exit code 1): did not come back"
    (node,) = seen([entry(group, "Steps", "Failed", node="n1", start=9, end=51), first, broken])
    assert (node.phase, node.message) == (NodePhase.FAILED, "did not come back (exit code 1)")
    assert (node.start, node.end) == (at(10), at(50))

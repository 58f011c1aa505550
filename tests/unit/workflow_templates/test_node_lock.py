"""When the lock of a job that is over is free, by what is noted at it, its node and its pods."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workflow_templates.protocol import labels, node_lock, pod_reasons
from workflow_templates.protocol.node_lock import RebootNote, Work

Object = dict[str, Any]

AT = datetime(2026, 1, 10, 8, tzinfo=UTC)
RUNNING: Object = {"running": {}}
ENDED: Object = {"terminated": {"exitCode": 0}}
WAITING: Object = {"waiting": {"reason": "ContainerCreating"}}


def lock(**notes: str) -> Object:
    return {"metadata": {"name": "node-gpu-1", "annotations": notes}, "spec": {"holderIdentity": "job-1"}}


def told(seconds: float = 600) -> Object:
    return lock(**{labels.TOLD_TO_REBOOT: RebootNote(AT, "old", None, seconds).text()})


def begun() -> Object:
    return lock(**{labels.WORK_BEGUN: Work("job-1", "old").text()})


def node(boot_id: str = "old", ready: str = "True") -> Object:
    status = {"nodeInfo": {"bootID": boot_id}, "conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": "gpu-1"}, "spec": {}, "status": status}


def pod(phase: str, *states: Object, reason: str = "") -> Object:
    containers = [{"name": f"c{number}", "state": state} for number, state in enumerate(states)]
    return {"status": {"phase": phase, "reason": reason, "containerStatuses": containers}}


@pytest.mark.parametrize(
    ("found", "seconds", "pending"),
    [
        (node(), 1, True),  # it has not gone down yet
        (node(), 170, True),  # nor been called NotReady yet, perhaps
        (node(), 190, False),  # it lives on: nothing is pending
        (node(ready="Unknown"), 590, True),
        (node(ready="Unknown"), 610, False),
        (node("new", ready="False"), 100, True),
        (node("new"), 10, False),
        (node("", ready="Unknown"), 10, True),
        (None, 590, True),  # a cloud deleted the object, and its kubelet makes another
        (None, 610, False),
    ],
)
def test_a_reboot_is_pending_until_the_node_is_back_or_lives_on(
    found: Object | None, seconds: int, *, pending: bool
) -> None:
    assert bool(node_lock.reboot_pending(told(), found, AT + timedelta(seconds=seconds))) is pending


@pytest.mark.parametrize(
    ("found", "seconds", "why"),
    [
        (node("new"), 700, ""),
        (node(), 700, ""),
        (node(ready="Unknown"), 500, ""),
        (node(ready="Unknown"), 700, "the node went away and did not come back within 600 s"),
        (node("new", ready="False"), 700, "the node came back with boot id new, but is not Ready after 600 s"),
    ],
)
def test_a_node_that_did_not_come_back_stays_cordoned(found: Object, seconds: int, why: str) -> None:
    assert node_lock.not_back(told(), found, AT + timedelta(seconds=seconds)) == why


def test_without_a_note_nothing_is_pending() -> None:
    assert node_lock.reboot_pending(lock(), node(), AT) == ""
    assert node_lock.not_back(lock(), node(ready="False"), AT) == ""
    assert node_lock.work_unfinished(lock(), node(), [pod("Running", RUNNING)]) == ""


def test_a_note_of_a_release_before_says_no_limit() -> None:
    text = '{"at": "2026-01-10T08:00:00+00:00", "bootId": "old", "heartbeat": null}'
    noted = node_lock.reboot_note(lock(**{labels.TOLD_TO_REBOOT: text}))
    assert noted is not None
    assert noted.come_back_seconds == 1800


@pytest.mark.parametrize(
    ("pods", "goes_on"),
    [
        ([pod("Running", RUNNING)], True),
        ([pod("Failed", ENDED)], False),
        ([pod("Failed", ENDED, WAITING)], False),  # a container that never started
        # What the service marked: the kubelet has not spoken since, and may never have said that they started.
        ([pod("Failed", RUNNING, reason=pod_reasons.NODE_LOST)], True),
        ([pod("Failed", WAITING, reason=pod_reasons.NODE_LOST)], True),
        ([pod("Failed", reason=pod_reasons.NODE_LOST)], True),
        ([pod("Failed", ENDED, ENDED, reason=pod_reasons.NODE_LOST)], False),
        ([pod("Failed", ENDED), pod("Running", RUNNING)], True),
        ([], False),
        (None, True),  # they were not looked at
    ],
)
def test_work_goes_on_until_the_kubelet_reports_its_end(pods: list[Object] | None, *, goes_on: bool) -> None:
    assert bool(node_lock.work_unfinished(begun(), node(), pods)) is goes_on


@pytest.mark.parametrize(("found", "goes_on"), [(node("new", "False"), False), (None, False), (node("", ""), True)])
def test_or_the_boot_or_the_node_in_which_it_was_begun_is_over(found: Object | None, *, goes_on: bool) -> None:
    assert bool(node_lock.work_unfinished(begun(), found, [pod("Running", RUNNING)])) is goes_on


def test_a_pod_that_is_gone_says_nothing_of_a_silent_node() -> None:
    """The apiserver deletes one at once that the service marked Failed; a kubelet that lives ends its containers."""
    assert "pod is gone" in node_lock.work_unfinished(begun(), node(ready="Unknown"), [])
    assert node_lock.work_unfinished(begun(), node(), []) == ""

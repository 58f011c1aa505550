"""Issue 16, row 15: what the token of a step of any job may do to any node.

Before: every account of addon and reboot steps could cordon every node, the control plane among them, and take the
marks of other jobs off, whose nodes were then schedulable in the middle of their work. And every step of preflight's
account could mark any node as unhealthy, in no job's name.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.attacks.impersonation import Thief, User, admitted, refused
from tests.e2e.live import Cluster
from workflow_templates.protocol import labels

OWN, VICTIMS = "theft-a1b2c3", "victim-d4e5f6"
ITS_OWN_JOB = "only for its own job"


def cordoned(by: str, **more: str | None) -> dict[str, Any]:
    marks = {labels.CORDONED_BY: by, labels.CORDONED_BEFORE: "false", **more}
    return {"metadata": {"annotations": marks}, "spec": {"unschedulable": True}}


UNCORDONED: dict[str, Any] = {
    "metadata": {"annotations": {labels.CORDONED_BY: None, labels.CORDONED_BEFORE: None}},
    "spec": {"unschedulable": None},
}


def left(job: str, text: str = "it was cordoned before the job") -> dict[str, Any]:
    marks = {labels.LEFT_CORDONED: f"job {job}: {text}"}
    return {"metadata": {"annotations": marks}, "spec": {"unschedulable": True}}


@pytest.fixture
def node(workload_nodes: list[str]) -> str:
    """One that no test cordons, and neither do these: they ask what would be admitted."""
    return workload_nodes[0]


@pytest.fixture
def step(cluster: Cluster, thief: Thief, node: str) -> Callable[..., User]:
    """The token of a step of the thief's own job, on that node unless it is said."""

    def of(kind: str, template: str = "node", *, on: str = node, job: str = OWN, number: int = 1) -> User:
        return thief.with_token_of(f"opsjob-{kind}", cluster.jobs, pod=f"{job}-{template}-{number}", node=on)

    return of


def path(node: str) -> str:
    return f"/api/v1/nodes/{node}"


def test_a_step_cordons_for_its_own_job_where_it_works(cluster: Cluster, step: Callable[..., User], node: str) -> None:
    other = next(item["metadata"]["name"] for item in cluster.items("nodes") if item["metadata"]["name"] != node)
    addon, reboot = step("addon"), step("reboot", "cordon", on=other)
    assert admitted(addon.patch(path(node), cordoned(OWN)))
    assert admitted(reboot.patch(path(node), cordoned(OWN)))
    assert admitted(reboot.patch(path(node), left(OWN)))
    for name in ("control-plane", other):
        assert refused(addon.patch(path(name), cordoned(OWN)), "cordons the node that it runs on")
        assert refused(addon.patch(path(name), left(OWN)), "cordons the node that it runs on")
    assert admitted(reboot.patch(path("control-plane"), cordoned(OWN))), "a reboot's plan may hold it"


def test_a_step_cordons_for_no_other_job(step: Callable[..., User], node: str) -> None:
    for user in (step("addon"), step("reboot", "cordon")):
        for change in (cordoned(VICTIMS), cordoned(""), left(VICTIMS), {"spec": {"unschedulable": True}}):
            assert refused(user.patch(path(node), change), ITS_OWN_JOB)
        unsigned = {"metadata": {"annotations": {labels.LEFT_CORDONED: "mine"}}, "spec": {"unschedulable": True}}
        assert refused(user.patch(path(node), unsigned), ITS_OWN_JOB)


@pytest.mark.parametrize(
    "pod",
    [
        "",
        "a-pod-1",
        f"{VICTIMS}-x-node-1",  # a job of that name, as callers choose them
        f"{VICTIMS}-node-1-a1b2c3-node-1",
        f"{VICTIMS}-node-x",
        f"x-{VICTIMS}-node-1",
        f"{VICTIMS}-evil-1",
        f"{VICTIMS}node-1",
    ],
)
def test_a_pod_that_is_named_like_anothers_is_not_its(cluster: Cluster, thief: Thief, node: str, pod: str) -> None:
    user = thief.with_token_of("opsjob-reboot", cluster.jobs, pod=pod, node=node)
    assert refused(user.patch(path(node), cordoned(VICTIMS)), ITS_OWN_JOB)


def test_no_step_that_cordons_nothing_cordons_anything(step: Callable[..., User], node: str) -> None:
    """Those that may patch nodes at all: the marks of nodes that failed are preflight's."""
    user = step("preflight", "report")
    assert refused(user.patch(path(node), cordoned(OWN)), "and none else")
    assert refused(user.patch(path(node), {"spec": {"unschedulable": True}}), ITS_OWN_JOB)


def test_a_step_gives_back_only_what_its_job_had_cordoned(
    cluster: Cluster, thief: Thief, step: Callable[..., User], idle_node: str
) -> None:
    name, service = idle_node, thief.with_token_of("opsjobs", cluster.facts["namespace"])
    owners = step("addon", "restore", on="", job=VICTIMS)

    def is_still_cordoned() -> bool:
        return cluster.cordon_of(name)[1].get(labels.CORDONED_BY) == VICTIMS

    # The service gives back what an ended job has left, and this job never was: until then there is time.
    for _ in range(10):
        cluster.kubectl("patch", "node", name, "--type=merge", "-p", json.dumps(cordoned(VICTIMS)))
        answers = [
            user.patch(path(name), change)
            for user in (
                step("addon", on=name),
                step("addon", "restore", on=name),
                step("reboot", "restore", on=name),
                step("preflight", "restore", on=name),
            )
            for change in (UNCORDONED, {"spec": {"unschedulable": None}}, cordoned("", **{labels.LEFT_CORDONED: "x"}))
        ]
        given_back = [user.patch(path(name), UNCORDONED) for user in (owners, service)]
        cordons = service.patch(path(name), cordoned(OWN))
        if is_still_cordoned():
            break
    cluster.kubectl("patch", "node", name, "--type=merge", "-p", json.dumps(UNCORDONED))
    assert all(refused(answer, ITS_OWN_JOB) for answer in answers)
    assert all(admitted(answer) for answer in given_back)
    assert refused(cordons, "cordons no node")


@pytest.mark.parametrize("account", ["opsjobs", "opsjobs-release"])
def test_the_service_cordons_nothing_of_its_own_accord(cluster: Cluster, thief: Thief, node: str, account: str) -> None:
    user = thief.with_token_of(account, cluster.facts["namespace"])
    for change in (
        cordoned(OWN),
        {"spec": {"unschedulable": True}},
        UNCORDONED | {"metadata": {"annotations": {"opsjob.io/x": "y"}}},
    ):
        assert refused(user.patch(path(node), change), "cordons no node")
    assert admitted(user.patch(path(node), left(OWN))), "what was cordoned before its Node object was made anew"


MARK = {"key": "opsjob.io/unhealthy", "value": "preflight", "effect": "PreferNoSchedule"}


def marked(by: str | None, *taints: dict[str, str], label: str | None = "failed", **more: str) -> dict[str, Any]:
    metadata = {"annotations": {labels.MARKED_BY: by}, "labels": {"opsjob.io/preflight": label, **more}}
    return {"metadata": metadata, "spec": {"taints": list(taints) or None}}


def test_a_preflight_job_marks_nodes_in_its_own_name_and_with_its_marks(step: Callable[..., User], node: str) -> None:
    report, lock = step("preflight", "report"), step("preflight", "lease")
    assert admitted(report.patch(path(node), marked(OWN, MARK)))
    in_no_name = "only the report of a preflight job marks nodes"
    for user, change in (
        (report, marked(VICTIMS, MARK)),
        (report, marked(None, MARK)),
        (report, marked(VICTIMS, label=None)),
        (lock, marked(OWN, MARK)),
        (step("preflight", "check"), marked(OWN, MARK)),
    ):
        assert refused(user.patch(path(node), change), in_no_name)
    assert refused(
        report.patch(path(node), marked(OWN, MARK, {"key": "evil", "effect": "NoSchedule"})), "preflight.markTaint"
    )
    control_plane = {"node-role.kubernetes.io/control-plane": ""}
    assert refused(report.patch(path(node), marked(OWN, MARK, **control_plane)), "preflight.markLabel")


def test_a_mark_is_taken_off_by_the_report_of_any_job_and_by_no_other_step(
    cluster: Cluster, thief: Thief, step: Callable[..., User], idle_node: str
) -> None:
    cluster.kubectl("patch", "node", idle_node, "--type=merge", "-p", json.dumps(marked(VICTIMS, MARK)))
    off = marked(None, label=None)
    answers = {
        kind: step(*kind).patch(path(idle_node), off)
        for kind in (("preflight", "report"), ("preflight", "check"), ("addon", "node"))
    }
    by_the_service = thief.with_token_of("opsjobs", cluster.facts["namespace"]).patch(path(idle_node), off)
    cluster.kubectl("patch", "node", idle_node, "--type=merge", "-p", json.dumps(off))
    assert admitted(answers.pop(("preflight", "report")))
    assert all(refused(answer, "") for answer in (*answers.values(), by_the_service))

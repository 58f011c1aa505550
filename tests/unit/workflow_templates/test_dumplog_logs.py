"""Which logs a pod has, as Kubernetes tells its state."""

from typing import Any

import pytest

from workflow_templates.dumplog.logs import Log, of_pod

RAN = {"terminated": {"containerID": "containerd://1", "exitCode": 3, "reason": "Error"}}


def pod(*, statuses: dict[str, list[dict[str, Any]]] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "web-0", "namespace": "team-a", "uid": "0-1"},
        "spec": {"nodeName": "node-1", **spec},
        "status": {"phase": "Running", **(statuses or {})},
    }


def containers(*names: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"name": name, **fields} for name in names]


def named(logs: list[Log]) -> dict[str, str]:
    return {log.name: log.error for log in logs}


def test_every_kind_of_container_has_one() -> None:
    running: dict[str, Any] = {"state": {"running": {}}}
    item = pod(
        initContainers=[*containers("prepare"), *containers("proxy", restartPolicy="Always")],
        containers=containers("main"),
        ephemeralContainers=containers("debug"),
        statuses={
            "initContainerStatuses": [{"name": "prepare", "state": RAN}, {"name": "proxy", **running}],
            "containerStatuses": [{"name": "main", **running}],
            "ephemeralContainerStatuses": [{"name": "debug", **running}],
        },
    )
    assert {log.container: (log.kind, log.exit_code) for log in of_pod(item)} == {
        "prepare": ("init", 3),
        "proxy": ("sidecar", None),
        "main": ("container", None),
        "debug": ("ephemeral", None),
    }


def test_a_restarted_container_has_two() -> None:
    status = {"name": "main", "restartCount": 4, "state": {"running": {}}, "lastState": RAN}
    previous, current = of_pod(pod(containers=containers("main"), statuses={"containerStatuses": [status]}))
    assert (previous.name, previous.exit_code, previous.reason) == ("web-0/main.previous.log", 3, "Error")
    assert (current.name, current.exit_code, current.restart_count) == ("web-0/main.log", None, 4)
    assert previous.entry()["previous"] is True


def test_one_that_waits_to_be_restarted_has_only_the_previous() -> None:
    """Kubernetes would answer the same log for both."""
    status = {"name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": RAN}
    logs = list(of_pod(pod(containers=containers("main"), statuses={"containerStatuses": [status]})))
    assert named(logs) == {"web-0/main.previous.log": ""}


def test_one_that_never_started_says_why() -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    status = {"name": "main", "state": waiting}
    (log,) = of_pod(pod(containers=containers("main"), statuses={"containerStatuses": [status]}))
    assert log.error == "has not started: ErrImagePull: no such image"


def test_a_pod_without_a_node_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/4 nodes fit"}
    item = pod(containers=containers("main"), statuses={"conditions": [condition]})
    del item["spec"]["nodeName"]
    (log,) = of_pod(item)
    assert (log.node, log.error) == ("", "has not started: Unschedulable: 0/4 nodes fit")


EVICTED = "Evicted: The node was low on resource: ephemeral-storage."


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."}, EVICTED),
        ({"reason": "UnexpectedAdmissionError", "message": "no GPU"}, "UnexpectedAdmissionError: no GPU"),
        ({"message": "Pod was rejected: node is shutting down"}, "Pod was rejected: node is shutting down"),
        (
            {"conditions": [{"type": "DisruptionTarget", "reason": "PreemptionByScheduler", "message": "for web"}]},
            "PreemptionByScheduler: for web",
        ),
    ],
)
def test_a_pod_that_was_evicted_or_rejected_says_so(status: dict[str, Any], why: str) -> None:
    """It said "has not started" of a pod that had been thrown out."""
    item = pod(containers=containers("main"))
    item["status"] = {"phase": "Failed", **status}
    (log,) = of_pod(item)
    assert log.error == f"never ran: its pod was ended: {why}"
    assert log.entry()["podReason"] == log.pod_reason == why


def test_what_ended_a_pod_stands_beside_the_logs_of_what_ran_in_it() -> None:
    item = pod(containers=containers("main"), statuses={"containerStatuses": [{"name": "main", "state": RAN}]})
    item["status"] |= {"phase": "Failed", "reason": "Evicted", "message": EVICTED.partition(": ")[2]}
    (log,) = of_pod(item)
    assert (log.error, log.pod_reason) == ("", EVICTED)
    log.error = "404 not found"
    assert log.why == f"404 not found (its pod was ended: {EVICTED})"


def test_a_pod_whose_containers_ended_by_themselves_was_ended_by_nobody() -> None:
    item = pod(containers=containers("main"), statuses={"containerStatuses": [{"name": "main", "state": RAN}]})
    item["status"]["phase"] = "Failed"
    assert [log.pod_reason for log in of_pod(item)] == [""]


def test_a_pod_of_which_nothing_is_known_yet_has_its_containers_in_the_index() -> None:
    item = pod(containers=containers("a", "b"))
    del item["status"]
    assert named(list(of_pod(item))) == {"web-0/a.log": "has not started", "web-0/b.log": "has not started"}


def test_the_index_tells_which_pod_it_was_and_when_its_container_started() -> None:
    states = [{"running": {"startedAt": "2026-01-02T03:00:00Z"}}, RAN]
    statuses = [{"name": name, "state": state} for name, state in zip("ab", states, strict=True)]
    running, ended = of_pod(pod(containers=containers("a", "b"), statuses={"containerStatuses": statuses}))
    assert (running.entry()["uid"], running.entry()["startedAt"]) == ("0-1", "2026-01-02T03:00:00Z")
    assert (running.has_ended, ended.has_ended) == (False, True)


@pytest.mark.parametrize(
    ("first", "doubt"),
    [("", False), ("2026-01-02T03:00:01.000000001Z", False), ("2026-01-02T05:00:00.123456789+01:00", True)],
)
def test_a_log_that_begins_long_after_its_container_may_have_lost_its_beginning(first: str, *, doubt: bool) -> None:
    status = {"name": "main", "state": {"running": {"startedAt": "2026-01-02T03:00:00Z"}}}
    (log,) = of_pod(pod(containers=containers("main"), statuses={"containerStatuses": [status]}))
    log.first_time = first
    assert ("rotated away" in log.entry()["remark"]) is doubt
    assert log.error == ""

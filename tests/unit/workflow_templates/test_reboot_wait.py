"""Only another boot id and Ready prove a reboot; whatever else a node does, the job does not succeed by it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import WORKFLOWS, ApiServer
from workflow_templates import cordon
from workflow_templates.cluster import Cluster
from workflow_templates.reboot import stage, wait

NODE = "/api/v1/nodes/gpu-1"
BEAT = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/gpu-1"
EVENTS = "/api/v1/namespaces/default/events"


class World:
    """A node, and a clock that goes on only while the step sleeps; what happens when is a list."""

    def __init__(self, server: ApiServer, cluster: Cluster, folder: Path) -> None:
        self.server, self.cluster, self.output = server, cluster, folder / "boot.json"
        self.seconds = 0.0
        self.happens: dict[float, Callable[[], None]] = {}
        self.begun = datetime.now(UTC)
        self.is_now(boot="old", ready="True")
        self.beats()
        cordon.cordon(cluster, "gpu-1", "job-1")

    def is_now(self, *, boot: str, ready: str) -> None:
        before = self.server.objects.get(NODE, {"metadata": {}, "spec": {}})
        status = {"nodeInfo": {"bootID": boot}, "conditions": [{"type": "Ready", "status": ready}]}
        metadata = {"annotations": before["metadata"].get("annotations", {})}
        self.server.put(NODE, {"metadata": metadata, "spec": before["spec"], "status": status})

    def is_back(self, *, ready: str) -> None:
        self.is_now(boot="new", ready=ready)
        self.beats()

    def beats(self) -> None:
        at = self.begun + timedelta(seconds=self.seconds)
        self.server.put(BEAT, {"spec": {"renewTime": at.isoformat()}})

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        for due in [moment for moment in self.happens if moment <= self.seconds]:
            self.happens.pop(due)()

    def come_back(self, limit: float = 60) -> str:
        watch = wait.Watch("job-1", "gpu-1", "old", self.begun, limit)
        return wait.come_back(self.cluster, watch, self.output)

    @property
    def report(self) -> Any:
        return json.loads(self.output.read_text())

    @property
    def events(self) -> list[tuple[str, str]]:
        found = [item for path, item in self.server.objects.items() if path.startswith(EVENTS)]
        return [(event["type"], event["reason"]) for event in found]

    @property
    def marks(self) -> Any:
        return self.server.objects[NODE]["metadata"]["annotations"]


@pytest.fixture
def world(server: ApiServer, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(server, cluster, tmp_path)
    monkeypatch.setattr(wait, "time", SimpleNamespace(sleep=found.sleep, monotonic=lambda: found.seconds))
    monkeypatch.setattr(
        wait, "datetime", SimpleNamespace(
            now=lambda _zone: found.begun + timedelta(seconds=found.seconds), fromisoformat=datetime.fromisoformat
        )
    )  # fmt: skip
    return found


def test_another_boot_id_and_ready_is_a_reboot(world: World) -> None:
    world.happens = {
        10: lambda: world.is_now(boot="old", ready="Unknown"),
        33: lambda: world.is_back(ready="False"),
        40: lambda: world.is_now(boot="new", ready="True"),
    }
    assert world.come_back() == "node gpu-1 rebooted and Ready after 40 s, boot id old became new"
    assert world.report == {
        "message": "rebooted and Ready after 40 s",
        "newBootId": "new",
        "secondsDown": 33,
        "secondsToReady": 40,
    }
    assert world.events == [("Normal", "Rebooted")]
    assert world.server.objects[NODE]["spec"]["unschedulable"], "the cordon goes back a step later"


def test_a_reboot_so_quick_that_nobody_saw_it_not_ready(world: World) -> None:
    world.happens = {4: lambda: world.is_now(boot="new", ready="True")}
    world.come_back()
    assert world.report == {
        "message": "rebooted and Ready after 4 s",
        "newBootId": "new",
        "secondsDown": 4,
        "secondsToReady": 4,
    }


def test_a_node_that_is_back_before_the_first_look(world: World) -> None:
    """The signalling pod was lost with the node, and Argo learned of it late."""
    world.is_now(boot="new", ready="True")
    world.come_back(limit=0)
    assert (world.report["newBootId"], world.report["secondsDown"]) == ("new", None)


def test_not_ready_and_ready_again_without_another_boot_id_is_none(world: World) -> None:
    for second in range(0, 100, 10):
        world.happens[second] = world.beats
    world.happens |= {11: lambda: world.is_now(boot="old", ready="False")}
    world.happens |= {21: lambda: world.is_now(boot="old", ready="True")}
    sentence = "node gpu-1 was not rebooted: after 60 s its boot id is still old, the reboot command did nothing"
    with pytest.raises(stage.FailedError, match=sentence):
        world.come_back()
    assert not world.output.exists()
    assert world.events == [("Warning", "RebootFailed")]
    assert world.marks[cordon.CORDONED_BY] == "job-1", "the clean-up puts it back: it was not rebooted"


def test_a_node_without_a_boot_id_has_not_rebooted(world: World) -> None:
    world.happens = {5: lambda: world.is_now(boot="", ready="True"), 9: lambda: world.is_now(boot="new", ready="True")}
    world.come_back()
    assert world.report["secondsToReady"] == 9


@pytest.mark.parametrize("ready", ["Unknown", "True"])
def test_a_node_that_stays_away_stays_cordoned(world: World, ready: str) -> None:
    """Also where the limit is too short for Kubernetes to have called it anything but Ready."""
    world.happens = {10: lambda: world.is_now(boot="old", ready=ready)}
    with pytest.raises(
        stage.FailedError, match=r"gpu-1 went away and did not come back within 60 s; it stays cordoned"
    ):
        world.come_back()
    assert world.marks == {cordon.LEFT_CORDONED: "job job-1: the node went away and did not come back within 60 s"}
    assert not cordon.restore(world.cluster, "gpu-1", "job-1"), "nor does the clean-up put it back"
    assert world.server.objects[NODE]["spec"]["unschedulable"]
    assert world.events == [("Warning", "RebootFailed")]


def test_a_node_that_comes_back_sick_stays_cordoned(world: World) -> None:
    world.happens = {20: lambda: world.is_now(boot="new", ready="False")}
    with pytest.raises(stage.FailedError, match="came back with boot id new, but is not Ready after 60 s"):
        world.come_back()
    assert list(world.marks) == [cordon.LEFT_CORDONED]


def test_a_node_that_comes_back_at_the_last_moment_is_back(world: World) -> None:
    world.happens = {70: lambda: world.is_back(ready="True")}
    world.come_back()
    assert world.report["secondsToReady"] > 60


def test_a_node_that_left_the_cluster_fails(world: World) -> None:
    del world.server.objects[NODE]
    with pytest.raises(LookupError, match="node gpu-1 is gone from the cluster"):
        world.come_back()


def test_an_event_that_cannot_be_written_changes_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.is_now(boot="new", ready="True")
    world.server.applied_faults = [403]
    world.come_back()
    assert world.report["newBootId"] == "new"
    assert "event Rebooted was not written" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("node", "code", "failed"),
    [("gpu-1", "1", True), ("gpu-1", "255", False), ("gpu-1", None, False), ("x", "1", False)],
)
def test_only_a_command_that_said_so_has_failed(world: World, node: str, code: str | None, failed: bool) -> None:  # noqa: FBT001
    told = {"templateName": "reboot", "inputs": {"parameters": [{"name": "node", "value": node}]}}
    told["outputs"] = {"exitCode": code} if code else {}
    world.server.put(f"{WORKFLOWS}/job-1", {"status": {"nodes": {"a": told, "b": {"templateName": "evict"}}}})
    watch = wait.Watch("job-1", "gpu-1", "old", world.begun, 1800)
    assert wait.command_failed(world.cluster, watch) is failed


def test_a_repeated_step_tells_the_event_once(world: World) -> None:
    world.is_now(boot="new", ready="True")
    world.come_back()
    world.come_back()
    assert world.events == [("Normal", "Rebooted")]

"""Only another boot id and Ready prove a reboot; whatever else a node does, the job does not succeed by it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import LEASES, WORKFLOWS, ApiServer
from workflow_templates import cordon, locks
from workflow_templates.kubernetes_api import Cluster, Object
from workflow_templates.protocol import exit_codes, labels
from workflow_templates.reboot import reboot_clean_up, reboot_note, stage, wait_for_boot

NODE = "/api/v1/nodes/gpu-1"
BEAT = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/gpu-1"
OLD, NEW = "boot-id-old", "boot-id-new"
EVENTS = "/api/v1/namespaces/default/events"


class World:
    """A node, and a clock that goes on only while the step sleeps; what happens when is a list."""

    def __init__(self, server: ApiServer, cluster: Cluster, folder: Path) -> None:
        self.server, self.cluster, self.output = server, cluster, folder / "boot.json"
        self.seconds = 0.0
        self.happens: dict[float, Callable[[], None]] = {}
        self.begun = datetime(2026, 1, 10, 8, tzinfo=UTC)
        self.is_now(boot=OLD, ready="True")
        self.beats()
        cordon.cordon(cluster, "gpu-1", "job-1")
        self.step(exitCode="0")

    def now(self) -> datetime:
        return self.begun + timedelta(seconds=self.seconds)

    def step(self, message: str = "", node: str = "gpu-1", **outputs: str) -> None:
        """How the step that was to tell the node to reboot ended, as Argo shows it."""
        inputs = {"parameters": [{"name": "node", "value": node}]}
        entry = {"templateName": "reboot", "inputs": inputs, "message": message, "outputs": outputs}
        nodes = {"a": entry, "b": {"templateName": "evict"}}
        self.server.put(f"{WORKFLOWS}/job-1", {"spec": {}, "status": {"nodes": nodes}})

    def is_told(self) -> None:
        """Under the node's Lease, as the step does it."""
        locks.take(self.cluster, "gpu-1", "job-1")
        reboot_note.note(self.cluster, "gpu-1", "job-1", OLD, self.now(), 1800)

    def is_now(self, *, boot: str, ready: str) -> None:
        before = self.server.objects.get(NODE, {"metadata": {}, "spec": {}})
        status = {"nodeInfo": {"bootID": boot}, "conditions": [{"type": "Ready", "status": ready}]}
        metadata = {"annotations": before["metadata"].get("annotations", {})}
        self.server.put(NODE, {"metadata": metadata, "spec": before["spec"], "status": status})

    def is_back(self, *, ready: str) -> None:
        self.is_now(boot=NEW, ready=ready)
        self.beats()

    def beats(self) -> None:
        at = self.begun + timedelta(seconds=self.seconds)
        self.server.put(BEAT, {"spec": {"renewTime": at.isoformat()}})

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        for due in [moment for moment in self.happens if moment <= self.seconds]:
            self.happens.pop(due)()

    def come_back(self, limit: float = 60) -> str:
        watch = wait_for_boot.begin(self.cluster, "job-1", "gpu-1", OLD, limit)
        assert watch is not None
        return wait_for_boot.come_back(watch, self.output)

    def main(self, monkeypatch: pytest.MonkeyPatch, limit: float) -> tuple[int, str]:
        """The whole step: its exit code and its last word."""
        termination_message = self.output.with_name("last-word")
        monkeypatch.setenv("OPSJOB_TERMINATION_LOG", str(termination_message))
        monkeypatch.setattr(Cluster, "in_pod", lambda: self.cluster)
        given = ["--job=job-1", "--node=gpu-1", f"--boot-id={OLD}"]
        given += [f"--come-back-seconds={limit}", f"--output={self.output}"]
        monkeypatch.setattr("sys.argv", ["wait", *given])
        return wait_for_boot.main(), termination_message.read_text()

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
    """A node that was told to reboot just now."""
    found = World(server, cluster, tmp_path)
    monkeypatch.setattr(cluster, "now", found.now)
    monkeypatch.setattr(wait_for_boot, "time", SimpleNamespace(sleep=found.sleep, monotonic=lambda: found.seconds))
    found.is_told()
    return found


def test_another_boot_id_and_ready_is_a_reboot(world: World) -> None:
    world.happens = {
        10: lambda: world.is_now(boot=OLD, ready="Unknown"),
        33: lambda: world.is_back(ready="False"),
        40: lambda: world.is_now(boot=NEW, ready="True"),
    }
    assert world.come_back() == "node gpu-1 rebooted and Ready after 40 s, boot id boot-id-old became boot-id-new"
    assert world.report == {
        "message": "rebooted and Ready after 40 s",
        "newBootId": NEW,
        "secondsDown": 33,
        "secondsToReady": 40,
    }
    assert world.events == [("Normal", "Rebooted")]
    assert world.server.objects[NODE]["spec"]["unschedulable"], "the cordon goes back a step later"


def test_a_reboot_so_quick_that_nobody_saw_it_not_ready(world: World) -> None:
    world.happens = {4: lambda: world.is_back(ready="True")}
    world.come_back()
    assert world.report == {
        "message": "rebooted and Ready after 4 s",
        "newBootId": NEW,
        "secondsDown": 4,
        "secondsToReady": 4,
    }


def test_a_node_that_is_back_before_the_first_look(world: World) -> None:
    """The waiting pod went down with its node. What was noted before the signal is enough for both times."""
    world.seconds = 40
    world.is_back(ready="True")
    world.seconds = 45
    world.come_back(limit=0)
    assert world.report == {
        "message": "rebooted and Ready after 45 s",
        "newBootId": NEW,
        "secondsDown": 40,
        "secondsToReady": 45,
    }


def test_without_a_sign_of_life_how_long_it_was_down_is_not_known(world: World) -> None:
    del world.server.objects[BEAT]
    locks.release(world.cluster, "gpu-1", "job-1")
    locks.take(world.cluster, "gpu-1", "job-1")
    reboot_note.note(world.cluster, "gpu-1", "job-1", OLD, None, 1800)
    world.is_now(boot=NEW, ready="True")
    world.come_back()
    assert world.report["secondsDown"] is None


def test_not_ready_and_ready_again_without_another_boot_id_is_none(world: World) -> None:
    for second in range(0, 100, 10):
        world.happens[second] = world.beats
    world.happens |= {11: lambda: world.is_now(boot=OLD, ready="False")}
    world.happens |= {21: lambda: world.is_now(boot=OLD, ready="True")}
    sentence = (
        "node gpu-1 was not rebooted: after 60 s its boot id is still boot-id-old, the reboot command did nothing"
    )
    with pytest.raises(stage.FailedError, match=sentence):
        world.come_back()
    assert not world.output.exists()
    assert world.marks[labels.CORDONED_BY] == "job-1", "the clean-up puts it back: it was not rebooted"


def test_a_node_without_a_boot_id_has_not_rebooted(world: World) -> None:
    world.happens = {5: lambda: world.is_now(boot="", ready="True"), 9: lambda: world.is_now(boot=NEW, ready="True")}
    world.come_back()
    assert world.report["secondsToReady"] == 9


@pytest.mark.parametrize("ready", ["Unknown", "True"])
def test_a_node_that_stays_away_stays_cordoned(world: World, ready: str) -> None:
    """Also where the limit is too short for Kubernetes to have called it anything but Ready."""
    world.happens = {10: lambda: world.is_now(boot=OLD, ready=ready)}
    with pytest.raises(
        stage.FailedError, match=r"gpu-1 went away and did not come back within 60 s; it stays cordoned"
    ):
        world.come_back()
    assert world.marks == {labels.LEFT_CORDONED: "job job-1: the node went away and did not come back within 60 s"}
    assert not cordon.restore(world.cluster, "gpu-1", "job-1"), "nor does the clean-up put it back"
    assert world.server.objects[NODE]["spec"]["unschedulable"]


def test_a_node_that_comes_back_sick_stays_cordoned(world: World) -> None:
    world.happens = {20: lambda: world.is_now(boot=NEW, ready="False")}
    with pytest.raises(stage.FailedError, match="came back with boot id boot-id-new, but is not Ready after 60 s"):
        world.come_back()
    assert list(world.marks) == [labels.LEFT_CORDONED]


def test_a_node_that_comes_back_at_the_last_moment_is_back(world: World) -> None:
    world.happens = {70: lambda: world.is_back(ready="True")}
    world.come_back()
    assert world.report["secondsToReady"] > 60


def test_a_node_object_that_goes_is_waited_for(world: World) -> None:
    """A cloud's controller deletes the object of a machine that is off, and its kubelet registers anew."""
    world.happens = {
        5: lambda: world.server.objects.__delitem__(NODE),
        40: lambda: world.server.put(NODE, {"spec": {}, "status": {}}),
        41: lambda: world.is_back(ready="True"),
    }
    assert "Ready after 41 s" in world.come_back()


def test_a_node_that_left_the_cluster_fails_when_its_time_is_up(world: World) -> None:
    world.happens = {5: lambda: world.server.objects.__delitem__(NODE)}
    with pytest.raises(stage.FailedError, match=r"did not come back within 60 s, .* which is gone from the cluster$"):
        world.come_back()
    assert reboot_note.read(world.cluster, "gpu-1", "job-1") is None, "nothing is pending any more"


def test_an_event_that_cannot_be_written_changes_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.is_now(boot=NEW, ready="True")
    world.server.applied_faults = [403]
    world.come_back()
    assert world.report["newBootId"] == NEW
    assert "event Rebooted was not written" in capsys.readouterr().out


def beating(world: World, seconds: int) -> None:
    world.happens |= {float(second): world.beats for second in range(10, seconds, 10)}


REFUSED = "main: Error (exit code 1): the reboot command ended with exit code 5: no such unit"


def test_a_command_that_failed_is_given_up_soon_in_its_own_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.step(REFUSED, exitCode="1")
    beating(world, 100)
    code, sentence = world.main(monkeypatch, limit=1800)
    assert (code, sentence) == (
        exit_codes.FAILED,
        f"node gpu-1 was not rebooted: after 60 s its boot id is still {OLD}, {REFUSED.partition('): ')[2]}",
    )
    assert world.seconds < 100
    assert world.events == [("Warning", "RebootFailed")]
    assert world.marks[labels.CORDONED_BY] == "job-1"


def test_a_failed_command_does_not_lengthen_a_shorter_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.step(REFUSED, exitCode="1")
    beating(world, 100)
    assert "after 30 s its boot id is still" in world.main(monkeypatch, limit=30)[1]
    assert world.seconds < 60


def test_a_host_that_goes_down_though_its_command_failed_has_all_the_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.step(REFUSED, exitCode="1")
    world.happens = {200: lambda: world.is_back(ready="True")}
    code, sentence = world.main(monkeypatch, limit=1800)
    assert (code, sentence) == (0, f"node gpu-1 rebooted and Ready after 200 s, boot id {OLD} became {NEW}")


def test_and_stays_cordoned_where_it_does_not_come_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.step(REFUSED, exitCode="1")
    code, sentence = world.main(monkeypatch, limit=150)
    assert (code, sentence) == (1, "node gpu-1 went away and did not come back within 150 s; it stays cordoned")
    assert world.events == [("Warning", "RebootFailed")]


@pytest.mark.parametrize(
    ("node", "outputs"), [("gpu-1", {"exitCode": "255"}), ("gpu-1", {}), ("gpu-2", {"exitCode": "1"})]
)
def test_only_a_command_that_said_so_has_failed(world: World, node: str, outputs: Any) -> None:
    world.step(REFUSED, node, **outputs)
    watch = wait_for_boot.begin(world.cluster, "job-1", "gpu-1", OLD, 1800)
    assert watch is not None
    assert watch.doubt_seconds == 1800


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("Pod was active on the node longer than the specified deadline", "longer than the specified deadline"),
        ("main: Error (exit code 1): node gpu-1 is no longer cordoned for job job-1", "gpu-1 is no longer cordoned"),
        ("", "its step left no reason"),
    ],
)
def test_a_node_that_was_never_told_fails_at_once_and_is_given_back(
    world: World, monkeypatch: pytest.MonkeyPatch, message: str, why: str
) -> None:
    reboot_note.forget(world.cluster, "gpu-1", "job-1")
    world.step(message)
    code, sentence = world.main(monkeypatch, limit=1800)
    assert code == exit_codes.FAILED
    assert sentence.startswith("node gpu-1 could not be told to reboot: ")
    assert why in sentence
    assert "exit code" not in sentence
    assert world.seconds == 0
    assert world.events == [("Warning", "RebootFailed")]
    reboot_clean_up.clean_up(world.cluster, "job-1", 1800)
    assert world.marks == {}
    assert "unschedulable" not in world.server.objects[NODE]["spec"]


def test_a_node_that_rebooted_untold_is_proven_but_not_timed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reboot_note.forget(world.cluster, "gpu-1", "job-1")
    world.is_now(boot=NEW, ready="False")
    world.happens = {9: lambda: world.is_now(boot=NEW, ready="True")}
    code, _ = world.main(monkeypatch, limit=60)
    assert (code, world.report) == (0, {"message": "rebooted by itself, and Ready", "newBootId": NEW})


def test_a_lease_that_is_good_for_longer_gives_its_kubelet_longer(world: World) -> None:
    """A kubelet renews at a quarter of it: with 160 s every 40."""
    world.server.put(BEAT, {"spec": {"renewTime": world.now().isoformat(), "leaseDurationSeconds": 160}})
    world.happens = {100: world.beats}
    with pytest.raises(stage.FailedError, match="the reboot command did nothing"):
        world.come_back()


def test_without_a_noted_boot_id_nothing_is_believed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.OLD", "")
    with pytest.raises(SystemExit) as exit_:
        world.main(monkeypatch, limit=60)
    assert exit_.value.code not in (0, None)


def give_back(world: World, limit: float = 1800) -> Object:
    """The clean-up of a job that was stopped; answers the node afterwards."""
    reboot_clean_up.clean_up(world.cluster, "job-1", limit)
    assert f"{LEASES}/node-gpu-1" not in world.server.objects
    return world.server.objects[NODE]


def test_a_stop_after_the_signal_gives_the_node_back_once_it_has_rebooted(world: World) -> None:
    def held() -> None:
        assert world.marks[labels.CORDONED_BY] == "job-1"
        assert f"{LEASES}/node-gpu-1" in world.server.objects

    world.happens = {
        50: held,
        60: lambda: world.is_back(ready="False"),
        100: held,
        101: lambda: world.is_back(ready="True"),
    }
    node = give_back(world)
    assert world.happens == {}
    assert (node["spec"], node["metadata"]["annotations"]) == ({}, {})
    assert world.events == [("Normal", "Rebooted")]


def test_and_when_nothing_is_pending_any_more(world: World) -> None:
    beating(world, 200)
    assert give_back(world)["spec"] == {}
    assert 120 < world.seconds < 140
    assert world.events == [("Warning", "RebootFailed")]


def test_and_keeps_it_cordoned_where_it_does_not_come_back(world: World) -> None:
    node = give_back(world, limit=150)
    assert node["spec"]["unschedulable"]
    assert list(node["metadata"]["annotations"]) == [labels.LEFT_CORDONED]
    assert world.events == [("Warning", "RebootFailed")]


def test_a_stop_before_the_signal_gives_it_back_at_once(world: World) -> None:
    reboot_note.forget(world.cluster, "gpu-1", "job-1")
    assert give_back(world)["spec"] == {}
    assert (world.seconds, world.events) == (0, [])


def test_the_clean_up_leaves_a_verdict_as_it_is(world: World) -> None:
    cordon.leave(world.cluster, "gpu-1", "job-1", "it did not come back")
    reboot_note.forget(world.cluster, "gpu-1", "job-1")
    assert give_back(world)["spec"]["unschedulable"]
    assert (world.seconds, world.events) == (0, [])


def test_a_node_that_left_the_cluster_keeps_no_clean_up(world: World) -> None:
    world.happens = {5: lambda: world.server.objects.__delitem__(NODE)}
    reboot_clean_up.clean_up(world.cluster, "job-1", 60)
    assert f"{LEASES}/node-gpu-1" not in world.server.objects
    assert world.events == [("Warning", "RebootFailed")]


def test_a_repeated_step_tells_the_event_once(world: World) -> None:
    world.is_now(boot=NEW, ready="True")
    world.come_back()
    world.come_back()
    assert world.events == [("Normal", "Rebooted")]

"""The two pods of a node's turn in a rollout of reboots: what is noted where, and what goes back when it fails."""

import argparse
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import LEASES, WORKFLOWS, ApiServer
from workflow_templates import locks
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol import labels, node_lock
from workflow_templates.protocol.ledger import State
from workflow_templates.protocol.rollout import Phase, Rollout
from workflow_templates.reboot import begin_reboot, evict, lane_node, stage

NODE = "/api/v1/nodes/n1"
LOCK = f"{LEASES}/node-n1"


def a_node(boot_id: str = "boot-id-1", **labelled: str) -> Any:
    status = {"nodeInfo": {"bootID": boot_id}, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"labels": labelled}, "spec": {}, "status": status}


class Turn:
    """The turn of node n1 in a job of two nodes."""

    def __init__(self, server: ApiServer, cluster: Cluster, folder: Path) -> None:
        self.server, self.cluster, self.folder = server, cluster, folder
        server.put(f"{WORKFLOWS}/job-1", {"metadata": {"uid": "uid-1"}})
        server.put(NODE, a_node())
        server.put("/api/v1/nodes/n2", a_node())
        rollout = folder / "rollout.json"
        rollout.write_text(Rollout(phases=(Phase(("n1", "n2")),), at_once=2).text())
        self.node = lane_node.LaneNode(cluster, "job-1", "n1", rollout)

    def begin(self) -> str:
        self.node.ledger.begin("n1")
        arguments = argparse.Namespace(
            job="job-1",
            node="n1",
            unmanaged=False,
            empty_dir=True,
            kept=frozenset(),
            seconds=60.0,
            output=self.folder / "boot-id",
        )
        return begin_reboot.begin(self.node, arguments, [])

    @property
    def letters(self) -> str:
        return str(self.server.objects[f"{LEASES}/rollout-job-1"]["metadata"]["annotations"][labels.LEDGER])


@pytest.fixture
def turn(server: ApiServer, cluster: Cluster, tmp_path: Path, termination_message: Path) -> Turn:  # noqa: ARG001 - where it is
    return Turn(server, cluster, tmp_path)


def test_a_node_that_begins_is_locked_cordoned_and_its_boot_id_noted(turn: Turn) -> None:
    assert turn.begin() == "node n1 has boot id boot-id-1"
    lock = turn.server.objects[LOCK]
    assert node_lock.holder(lock) == "job-1"
    assert lock["metadata"]["annotations"][labels.STAGE] == "at reboot"
    assert turn.server.objects[NODE]["spec"]["unschedulable"] is True
    assert (turn.folder / "boot-id").read_text() == "boot-id-1"
    assert turn.letters == "w."


def test_it_is_told_to_reboot_only_when_the_volumes_of_the_evicted_pods_are_detached(
    turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    attachment = "/apis/storage.k8s.io/v1/volumeattachments/csi-pv-1"
    turn.server.put("/api/v1/persistentvolumes/pv-1", {"spec": {"claimRef": {"namespace": "team", "name": "data-0"}}})
    turn.server.put(attachment, {"spec": {"nodeName": "n1", "source": {"persistentVolumeName": "pv-1"}}})
    noted: list[bool] = []

    def look(_seconds: float) -> None:
        noted.append((turn.folder / "boot-id").exists())
        if len(noted) == 3:
            del turn.server.objects[attachment]

    monkeypatch.setattr(evict, "time", SimpleNamespace(sleep=look, monotonic=time.monotonic))
    turn.begin()
    assert noted == [False, False, False], "the step on the host asks for the noted boot id"
    assert (turn.folder / "boot-id").exists()


def test_volumes_that_are_not_detached_in_time_fail_the_node_which_is_given_back(
    turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn.server.put("/api/v1/persistentvolumes/pv-1", {"spec": {"claimRef": {"namespace": "team", "name": "data-0"}}})
    attachment = {"spec": {"nodeName": "n1", "source": {"persistentVolumeName": "pv-1"}}}
    turn.server.put("/apis/storage.k8s.io/v1/volumeattachments/csi-pv-1", attachment)
    monkeypatch.setattr(evict.Eviction, "overdue", lambda *_: True)
    with pytest.raises(stage.FailedError, match="volume of claim team/data-0 is still attached"):
        turn.begin()
    assert turn.letters == "f."
    assert LOCK not in turn.server.objects
    assert "unschedulable" not in turn.server.objects[NODE]["spec"]


def test_a_node_that_another_job_has_locked_gives_its_place_back(turn: Turn) -> None:
    turn.server.put(f"{WORKFLOWS}/job-2", {})
    locks.take(turn.cluster, "n1", "job-2")
    with pytest.raises(locks.HeldError, match="job-2"):
        turn.begin()
    assert turn.letters == ".."


def test_a_node_that_fails_before_its_reboot_is_given_back_at_once(turn: Turn) -> None:
    turn.server.put(NODE, a_node(boot_id=""))
    with pytest.raises(stage.FailedError, match="reports no boot id"):
        turn.begin()
    assert "unschedulable" not in turn.server.objects[NODE]["spec"]
    assert LOCK not in turn.server.objects
    assert turn.letters == "f."


def test_a_node_whose_reboot_is_pending_stays_as_it_is(turn: Turn) -> None:
    turn.begin()
    told = node_lock.RebootNote(turn.cluster.now(), "boot-id-1", None, 600)
    locks.note(turn.cluster, "n1", "job-1", {labels.TOLD_TO_REBOOT: told.text()})
    with pytest.raises(stage.FailedError), turn.node.given_back_on_failure():
        raise stage.FailedError("its kubelet says nothing")
    assert turn.server.objects[NODE]["spec"]["unschedulable"] is True
    assert LOCK in turn.server.objects
    assert turn.node.ledger.state("n1") is State.FAILED


def test_two_nodes_of_the_control_plane_do_not_reboot_together_in_one_job_either(turn: Turn) -> None:
    locks.take(turn.cluster, "n1", "job-1")
    locks.take_control_plane(turn.cluster, "n1", "job-1")
    locks.take(turn.cluster, "n2", "job-1")
    with pytest.raises(locks.HeldError, match="n1"):
        locks.take_control_plane(turn.cluster, "n2", "job-1")
    locks.release_control_plane(turn.cluster, "job-1", "n2")
    with pytest.raises(locks.HeldError, match="n1"):
        locks.take_control_plane(turn.cluster, "n2", "job-1")
    locks.release_control_plane(turn.cluster, "job-1", "n1")
    locks.release(turn.cluster, "n1", "job-1")
    locks.take_control_plane(turn.cluster, "n2", "job-1")

"""Telling a host to reboot: at most once, whatever is repeated, and never for a boot that is over."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.workflow_templates.apiserver import LEASES, WORKFLOWS, ApiServer
from workflow_templates import cordon, locks
from workflow_templates.host import Host
from workflow_templates.kubernetes_api import Cluster, Object
from workflow_templates.protocol import exit_codes, labels
from workflow_templates.reboot import cordon_node as cordoning
from workflow_templates.reboot import note_boot_id, reboot_note, signal_reboot, stage
from workflow_templates.reboot import restore_cordon as restoring
from workflow_templates.reboot.evict import Eviction

NODE = "/api/v1/nodes/gpu-1"
FAILED = "/api/v1/namespaces/default/events/job-1.rebootfailed.gpu-1"
EVENT = "/api/v1/namespaces/default/events/job-1.rebootbegun.gpu-1"
#: This machine's own: the host of these tests is this machine.
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@pytest.fixture(autouse=True)
def node(server: ApiServer, cluster: Cluster) -> None:
    """Lent to the job, and cordoned for it."""
    server.put(f"{WORKFLOWS}/job-1", {"spec": {}, "status": {"startedAt": "2026-01-10T08:00:00Z"}})
    server.put(NODE, {"spec": {}, **reporting(BOOT_ID)})
    locks.take(cluster, "gpu-1", "job-1")
    cordon.cordon(cluster, "gpu-1", "job-1")


def reporting(boot_id: str) -> Object:
    ready = [{"type": "Ready", "status": "True"}]
    return {"status": {"nodeInfo": {"bootID": boot_id}, "conditions": ready}}


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """The stand-in for a reboot: a line in a file for each."""
    return tmp_path / "reboots"


@pytest.fixture
def signalling(host: Host) -> Host:
    return Host(host.job, prefix=(), root=host.root, marks=host.marks, env={"OPSJOB_BOOT_ID": BOOT_ID})


def tell(cluster: Cluster, host: Host, command: str, boot_id: str = BOOT_ID) -> str:
    return signal_reboot.signal(cluster, host, "gpu-1", boot_id, command, 1800)


def test_the_command_runs_and_the_event_is_told(
    server: ApiServer, cluster: Cluster, signalling: Host, mark: Path
) -> None:
    assert tell(cluster, signalling, f"echo $OPSJOB_ID >> {mark}\n") == "node gpu-1 is told to reboot"
    assert mark.read_text() == "job-1\n"
    assert BOOT_ID in server.objects[EVENT]["message"]
    assert server.objects[EVENT]["involvedObject"]["name"] == "gpu-1"


def test_a_pod_that_argo_made_again_does_not_signal_again(cluster: Cluster, signalling: Host, mark: Path) -> None:
    for _ in range(3):
        sentence = tell(cluster, signalling, f"echo >> {mark}\n")
    assert sentence == "node gpu-1 was told to reboot before, and is not told twice"
    assert mark.read_text() == "\n"
    assert reboot_note.read(cluster, "gpu-1", "job-1") is not None


def test_a_node_whose_boot_id_has_changed_is_left_alone(
    server: ApiServer, cluster: Cluster, signalling: Host, mark: Path
) -> None:
    server.objects[NODE] |= reporting("another")
    assert tell(cluster, signalling, f"echo >> {mark}\n") == "node gpu-1 has rebooted already"
    assert not mark.exists()
    assert EVENT not in server.objects


def test_so_is_one_whose_kubelet_has_not_reported_its_reboot_yet(
    server: ApiServer, cluster: Cluster, host: Host, mark: Path
) -> None:
    """Its /run is empty again, and the API still shows the old boot id: the host itself knows better."""
    server.objects[NODE] |= reporting("of-before")
    of_before = Host(host.job, prefix=(), root=host.root, marks=host.marks, env={"OPSJOB_BOOT_ID": "of-before"})
    assert tell(cluster, of_before, f"echo >> {mark}\n", "of-before") == "node gpu-1 has rebooted already"
    assert not mark.exists()


def test_a_command_that_fails_says_how(cluster: Cluster, signalling: Host) -> None:
    with pytest.raises(stage.FailedError, match="the reboot command ended with exit code 5: no such unit"):
        tell(cluster, signalling, "echo no such unit; exit 5\n")


def test_a_host_that_takes_no_script_says_why(server: ApiServer, cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file in the way")
    host = Host("job-1", prefix=(), root=tmp_path / "run", marks=tmp_path / "lib", env={"OPSJOB_BOOT_ID": BOOT_ID})
    with pytest.raises(stage.FailedError, match="the reboot command could not be put on the host"):
        tell(cluster, host, "true\n")
    assert reboot_note.read(cluster, "gpu-1", "job-1") is None, "nothing is pending"
    assert "could not be told" in server.objects[FAILED]["message"], "what was begun has an end"


def test_that_it_is_told_is_noted_before_the_host_hears_of_it(
    server: ApiServer, cluster: Cluster, signalling: Host
) -> None:
    beat = {"spec": {"renewTime": "2026-01-10T08:00:01.500000Z"}}
    server.put("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/gpu-1", beat)
    with pytest.raises(stage.FailedError):
        tell(cluster, signalling, "exit 5\n")
    noted = reboot_note.read(cluster, "gpu-1", "job-1")
    assert noted is not None
    assert (noted.boot_id, noted.heartbeat) == (BOOT_ID, datetime(2026, 1, 10, 8, 0, 1, 500_000, tzinfo=UTC))
    assert abs((noted.at - datetime.now(UTC)).total_seconds()) < 60


def given_to_another(server: ApiServer, cluster: Cluster) -> None:
    """As after a stop: the clean-up gave the node back, and the next job took it."""
    server.put(f"{WORKFLOWS}/job-2", {"spec": {}})
    cordon.restore(cluster, "gpu-1", "job-1")
    locks.release(cluster, "gpu-1", "job-1")
    locks.take(cluster, "gpu-1", "job-2")
    cordon.cordon(cluster, "gpu-1", "job-2")


def lease_lost(server: ApiServer, cluster: Cluster) -> None:  # noqa: ARG001  # one of several that end a claim
    locks.release(cluster, "gpu-1", "job-1")


def cordon_lost(server: ApiServer, cluster: Cluster) -> None:  # noqa: ARG001
    cordon.restore(cluster, "gpu-1", "job-1")


def uncordoned_by_a_person(server: ApiServer, cluster: Cluster) -> None:  # noqa: ARG001
    server.objects[NODE]["spec"] = {}


def stopped(server: ApiServer, cluster: Cluster) -> None:  # noqa: ARG001
    server.objects[f"{WORKFLOWS}/job-1"]["spec"] = {"shutdown": "Stop"}


def out_of_time(server: ApiServer, cluster: Cluster) -> None:  # noqa: ARG001
    server.objects[f"{WORKFLOWS}/job-1"]["spec"] = {"activeDeadlineSeconds": 60}


def deleted(server: ApiServer, cluster: Cluster) -> None:  # noqa: ARG001
    server.objects.pop(f"{WORKFLOWS}/job-1", None)


@pytest.fixture
def ends_while_it_tells(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr("workflow_templates.reboot.events.record", lambda *_: request.param(server, cluster))


ENDS = [given_to_another, lease_lost, cordon_lost, uncordoned_by_a_person, stopped, out_of_time, deleted]


@pytest.mark.parametrize("end", ENDS)
def test_a_pod_that_was_cut_off_while_its_claim_ended_tells_nobody(
    server: ApiServer, cluster: Cluster, signalling: Host, mark: Path, end: Callable[[ApiServer, Cluster], None]
) -> None:
    end(server, cluster)
    with pytest.raises(stage.FailedError, match=r"is no longer|is being ended"):
        tell(cluster, signalling, f"echo >> {mark}\n")
    assert not mark.exists()
    assert not any(
        labels.TOLD_TO_REBOOT in str(item) for path, item in server.objects.items() if path.startswith(LEASES)
    )


@pytest.mark.usefixtures("ends_while_it_tells")
@pytest.mark.parametrize("ends_while_it_tells", ENDS, indirect=True)
def test_nor_does_one_whose_claim_ends_at_the_last_moment(
    server: ApiServer, cluster: Cluster, signalling: Host, mark: Path
) -> None:
    """While it tells the event, the one write before the note."""
    with pytest.raises(stage.FailedError, match=r"is no longer|is being ended"):
        tell(cluster, signalling, f"echo >> {mark}\n")
    assert not mark.exists()
    assert not any(
        labels.TOLD_TO_REBOOT in str(item) for path, item in server.objects.items() if path.startswith(LEASES)
    )


def test_a_second_pod_that_comes_too_late_does_not_hide_that_the_first_has_told_it(
    server: ApiServer, cluster: Cluster, signalling: Host, mark: Path
) -> None:
    tell(cluster, signalling, f"echo >> {mark}\n")
    server.before_write = lambda: stopped(server, cluster)
    with pytest.raises(stage.FailedError, match="is being ended"):
        tell(cluster, signalling, f"echo >> {mark}\n")
    assert reboot_note.read(cluster, "gpu-1", "job-1") is not None


def test_who_came_since_the_node_was_empty_goes_too(server: ApiServer, cluster: Cluster) -> None:
    owner = {"ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": True}]}
    server.add_pod("late", node="gpu-1", namespace="team", metadata=owner)
    late = Eviction("job-1", "gpu-1", datetime.now(UTC), 60, unmanaged=False, empty_dir=True, kept=frozenset())
    signal_reboot.empty_again(cluster, late)
    assert late.evicted == ["team/late"]


def test_or_keeps_it_from_rebooting(server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the way is barred by: this stage waits by itself, as it is not repeated."""
    monkeypatch.setattr("workflow_templates.reboot.evict._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("workflow_templates.reboot.evict._BLOCKED_SECONDS", 0.0)
    owner = {"ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": True}]}
    server.add_pod("late", node="gpu-1", namespace="team", metadata=owner)
    causes = [{"reason": "DisruptionBudget", "message": "The disruption budget web needs 1"}]
    server.refused_evictions["late"] = 429, {"message": "no", "details": {"causes": causes}}
    late = Eviction("job-1", "gpu-1", datetime.now(UTC), 0.2, unmanaged=False, empty_dir=True, kept=frozenset())
    with pytest.raises(
        stage.FailedError, match=r"was not rebooted: .* pod team/late cannot be evicted: The disruption"
    ):
        signal_reboot.empty_again(cluster, late)


def test_without_a_noted_boot_id_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misfire of Argo's arguments: an empty one is another than every node's, and every host's."""
    given = ["--job=job-1", "--node=gpu-1", "--boot-id=", "--unmanaged=false", "--empty-dir=true", "--kept=argo"]
    monkeypatch.setattr("sys.argv", ["reboot", *given])
    with pytest.raises(SystemExit, match="2"):
        signal_reboot.main()


def test_the_boot_id_is_noted(cluster: Cluster, tmp_path: Path) -> None:
    sentence = note_boot_id.note(cluster, "gpu-1", tmp_path / "boot-id")
    assert sentence == f"node gpu-1 has boot id {BOOT_ID}"
    assert (tmp_path / "boot-id").read_text() == BOOT_ID


@pytest.mark.parametrize("bad", ["", "{{workflow.name}}", "a b c d e f g h", "short"])
def test_what_is_no_boot_id_goes_into_no_argument(
    server: ApiServer, cluster: Cluster, tmp_path: Path, bad: str
) -> None:
    server.objects[NODE] |= reporting(bad)
    with pytest.raises(stage.FailedError, match="node gpu-1 reports no boot id"):
        note_boot_id.note(cluster, "gpu-1", tmp_path / "boot-id")
    assert not (tmp_path / "boot-id").exists()


def test_a_node_without_a_boot_id_fails_and_its_events_say_so(
    server: ApiServer, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.objects[NODE] |= reporting("")
    assert run(note_boot_id.main, cluster, monkeypatch, f"--output={tmp_path}/boot-id") == exit_codes.FAILED
    assert "reports no boot id" in server.objects[FAILED]["message"]


@pytest.mark.parametrize("gone", [True, False])
def test_so_does_every_stage_that_the_api_refuses_or_whose_node_is_gone(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, *, gone: bool
) -> None:
    if gone:
        del server.objects[NODE]
    else:
        server.faults = [403]
    assert run(cordoning.main, cluster, monkeypatch) == exit_codes.FAILED
    assert ("gone from the cluster" if gone else "refused GET") in server.objects[FAILED]["message"]
    assert server.objects[FAILED]["involvedObject"]["name"] == "gpu-1"


@pytest.mark.parametrize("left", ["", "job job-0: the node went away"])
@pytest.mark.parametrize("before", [True, False])
def test_what_was_there_before_is_noted_and_seen_to_in_the_end(
    server: ApiServer, cluster: Cluster, *, before: bool, left: str
) -> None:
    cordon.restore(cluster, "gpu-1", "job-1")
    was_left = before and bool(left)
    server.put(NODE, {"metadata": {"annotations": {labels.LEFT_CORDONED: left}} if was_left else {}, "spec": {}})
    server.objects[NODE]["spec"] = {"unschedulable": True} if before else {}
    for _ in range(2):  # an attempt that was lost
        assert cordoning.take(cluster, "gpu-1", "job-1").endswith("as it was before") is before
    server.put(NODE, {"spec": {}, **reporting("another")})  # it registered itself anew: no marks, no cordon
    for _ in range(2):
        assert restoring.put_back(cluster, "gpu-1", "job-1").endswith("as it was before")
    assert server.objects[NODE]["spec"].get("unschedulable", False) is before
    assert (server.objects[NODE]["metadata"].get("annotations") or {}).get(labels.LEFT_CORDONED, "") == (
        f"job job-1: {left or 'it was cordoned before the job'}" if before else ""
    )


def test_a_cordon_that_a_person_made_since_stays_and_is_said(server: ApiServer, cluster: Cluster) -> None:
    cordoning.take(cluster, "gpu-1", "job-1")
    server.put(NODE, {"spec": {"unschedulable": True}})
    sentence = restoring.put_back(cluster, "gpu-1", "job-1")
    assert "has cordoned it since" in sentence
    assert server.objects[NODE]["spec"]["unschedulable"]


def run(main: Callable[[], int], cluster: Cluster, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setenv("OPSJOB_TERMINATION_LOG", "/dev/null")
    monkeypatch.setattr(Cluster, "in_pod", lambda: cluster)
    monkeypatch.setattr("sys.argv", ["stage", "--job=job-1", "--node=gpu-1", *arguments])
    return main()

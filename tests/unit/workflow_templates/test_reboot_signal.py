"""Telling a host to reboot: at most once, whatever is repeated, and never for a boot that is over."""

from pathlib import Path

import pytest

from tests.unit.workflow_templates.apiserver import ApiServer
from workflow_templates.cluster import Cluster
from workflow_templates.host import Host
from workflow_templates.reboot import note_boot_id, reboot, stage

NODE = "/api/v1/nodes/gpu-1"
EVENT = "/api/v1/namespaces/default/events/job-1.rebootbegun.gpu-1"
#: This machine's own: the host of these tests is this machine.
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@pytest.fixture(autouse=True)
def node(server: ApiServer) -> None:
    server.put(NODE, {"status": {"nodeInfo": {"bootID": BOOT_ID}}})


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """The stand-in for a reboot: a line in a file for each."""
    return tmp_path / "reboots"


@pytest.fixture
def signalling(host: Host) -> Host:
    return Host(host.job, prefix=(), root=host.root, marks=host.marks, env={"OPSJOB_BOOT_ID": BOOT_ID})


def tell(cluster: Cluster, host: Host, command: str, boot_id: str = BOOT_ID) -> str:
    return reboot.signal(cluster, host, "gpu-1", boot_id, command)


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


def test_a_node_whose_boot_id_has_changed_is_left_alone(
    server: ApiServer, cluster: Cluster, signalling: Host, mark: Path
) -> None:
    server.put(NODE, {"status": {"nodeInfo": {"bootID": "another"}}})
    assert tell(cluster, signalling, f"echo >> {mark}\n") == "node gpu-1 has rebooted already"
    assert not mark.exists()
    assert EVENT not in server.objects


def test_so_is_one_whose_kubelet_has_not_reported_its_reboot_yet(
    server: ApiServer, cluster: Cluster, host: Host, mark: Path
) -> None:
    """Its /run is empty again, and the API still shows the old boot id: the host itself knows better."""
    server.put(NODE, {"status": {"nodeInfo": {"bootID": "of-before"}}})
    of_before = Host(host.job, prefix=(), root=host.root, marks=host.marks, env={"OPSJOB_BOOT_ID": "of-before"})
    assert tell(cluster, of_before, f"echo >> {mark}\n", "of-before") == "node gpu-1 has rebooted already"
    assert not mark.exists()


def test_a_command_that_fails_says_how(cluster: Cluster, signalling: Host) -> None:
    with pytest.raises(stage.FailedError, match="the reboot command ended with exit code 5: no such unit"):
        tell(cluster, signalling, "echo no such unit; exit 5\n")


def test_a_host_that_takes_no_script_says_why(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file in the way")
    host = Host("job-1", prefix=(), root=tmp_path / "run", marks=tmp_path / "lib", env={"OPSJOB_BOOT_ID": BOOT_ID})
    with pytest.raises(stage.FailedError, match="the reboot command could not be put on the host"):
        tell(cluster, host, "true\n")


def test_the_boot_id_is_noted(cluster: Cluster, tmp_path: Path) -> None:
    sentence = note_boot_id.note(cluster, "gpu-1", tmp_path / "boot-id")
    assert sentence == f"node gpu-1 has boot id {BOOT_ID}"
    assert (tmp_path / "boot-id").read_text() == BOOT_ID


@pytest.mark.parametrize("bad", ["", "{{workflow.name}}", "a b c d e f g h", "short"])
def test_what_is_no_boot_id_goes_into_no_argument(
    server: ApiServer, cluster: Cluster, tmp_path: Path, bad: str
) -> None:
    server.put(NODE, {"status": {"nodeInfo": {"bootID": bad}}})
    with pytest.raises(stage.FailedError, match="node gpu-1 reports no boot id"):
        note_boot_id.note(cluster, "gpu-1", tmp_path / "boot-id")
    assert not (tmp_path / "boot-id").exists()

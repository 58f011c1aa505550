"""One dumplog step, with an API server and an object store that can be made to misbehave."""

import io
import json
import random
import signal
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.plain_http import NO_TLS
from tests.unit.workflow_templates.apiserver import FIRST_TIME, HANG_UP, LAST_TIME, ApiServer, ServedLog
from tests.unit.workflow_templates.s3server import S3Server, serving
from workflow_templates.dumplog import dump, relayed_log
from workflow_templates.dumplog.archive_request import ArchiveRequest, RequestedNodes, Workload
from workflow_templates.dumplog.dump import NothingError
from workflow_templates.dumplog.node_logs import NodeLogs
from workflow_templates.dumplog.read_retries import RetryBudget
from workflow_templates.dumplog.reader import Reader
from workflow_templates.dumplog.spool import SPOOLS
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.object_store import Store, StoreError
from workflow_templates.protocol.sigv4 import Signer
from workflow_templates.protocol.store_location import StoreLocation
from workflow_templates.sigterm import StoppedError

KEY = "/ops/dumplog/web/job-1.tar.gz"
RUNNING: dict[str, Any] = {"running": {}}
MIB = 1 << 20
#: As the apiserver says it of a kubelet that it does not reach.
NO_ROUTE = (
    'Get "https://10.0.0.2:10250/containerLogs/team-a/web-1/main?timestamps=true": '
    "dial tcp 10.0.0.2:10250: connect: no route to host"
)


@pytest.fixture
def objects() -> Iterator[S3Server]:
    with serving(S3Server()) as objects:
        yield objects


@pytest.fixture
def store(objects: S3Server) -> Iterator[Store]:
    with httpx.Client(timeout=60, trust_env=False, verify=NO_TLS) as http:
        store = Store(
            http, StoreLocation(endpoint=objects.url, bucket="ops"), Signer("key", "secret", "us-east-1"), patience=1
        )
        store.part_bytes = MIB
        yield store


@dataclass
class Bench:
    """A step's surroundings."""

    server: ApiServer
    cluster: Cluster
    objects: S3Server
    store: Store
    reader: Reader
    nodes: NodeLogs

    def dump(self, *pods: str) -> dict[str, str]:
        return self.dump_as(asked(*pods))

    def dump_as(self, asked: ArchiveRequest) -> dict[str, str]:
        return dump.dump("job-1", asked, self.store, self.reader, self.nodes)

    def unpacked(self, key: str = KEY) -> dict[str, bytes]:
        with tarfile.open(fileobj=io.BytesIO(self.objects.objects[key]), mode="r:gz") as archive:
            return {member.name: file.read() for member in archive if (file := archive.extractfile(member))}

    @property
    def index(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.unpacked()["index.json"])
        return found

    @property
    def leaves_nothing(self) -> bool:
        return not self.objects.objects and not self.objects.uploads


@pytest.fixture
def bench(server: ApiServer, cluster: Cluster, objects: S3Server, store: Store, tmp_path: Path) -> Bench:
    budget = RetryBudget(cluster.patience, node_seconds=0.2, pause=0.01)
    nodes, reader = NodeLogs(cluster, tmp_path, MIB, budget), Reader(cluster, tmp_path, MIB, budget)
    return Bench(server, cluster, objects, store, reader, nodes)


def asked(*pods: str, nodes: tuple[str, ...] = (), excluded: tuple[str, ...] = ()) -> ArchiveRequest:
    return ArchiveRequest((Workload("web", "team-a", pods),), frozenset(nodes), frozenset(excluded), "no pod was 'web'")


def noise(size: int) -> bytes:
    """What does not become smaller when it is compressed."""
    return random.Random(size).randbytes(size)  # noqa: S311 - a test's data


def add_pod(server: ApiServer, name: str, *, node: str = "node-1", namespace: str = "team-a", **logs: bytes) -> None:
    """A pod with one running container per log."""
    server.put(
        f"/api/v1/namespaces/{namespace}/pods/{name}",
        {
            "metadata": {"namespace": namespace},
            "spec": {"nodeName": node, "containers": [{"name": container} for container in logs]},
            "status": {
                "phase": "Running",
                "containerStatuses": [{"name": container, "state": RUNNING} for container in logs],
            },
        },
    )
    for container, content in logs.items():
        server.logs[f"{namespace}/{name}/{container}"] = ServedLog(content)


def test_every_log_is_in_one_archive_with_an_index(bench: Bench) -> None:
    content = noise(3 * MIB // 2)
    bench.reader.limit = 2 * MIB
    add_pod(bench.server, "web-0", main=b"hello\n", proxy=b"")
    add_pod(bench.server, "web-1", node="node-2", main=content)
    outputs = bench.dump("web-0", "web-1")
    found = bench.unpacked()
    described = json.loads(found.pop("index.json"))
    assert found == {"web-0/main.log": b"hello\n", "web-0/proxy.log": b"", "web-1/main.log": content}
    assert described["jobId"] == "job-1"
    assert described["workloads"] == [{"namespace": "team-a", "name": "web"}]
    (entry,) = [entry for entry in described["logs"] if entry["file"] == "web-1/main.log"]
    assert (entry["pod"], entry["node"], entry["bytes"], entry["error"]) == ("web-1", "node-2", len(content), "")
    assert (entry["firstTime"], entry["lastTime"]) == (FIRST_TIME, LAST_TIME)
    assert outputs["log"] == "s3://ops/dumplog/web/job-1.tar.gz"
    assert outputs["endpoint"].startswith(f"{bench.objects.url}{KEY}?X-Amz-")
    assert outputs["note"] == ""
    assert bench.objects.biggest <= MIB
    assert list(bench.reader.folder.iterdir()) == []


def test_more_logs_than_are_read_at_a_time(bench: Bench) -> None:
    names = [f"web-{number}" for number in range(3 * SPOOLS)]
    for name in names:
        add_pod(bench.server, name, main=name.encode())
    bench.dump(*names)
    found = bench.unpacked()
    assert {file: content for file, content in found.items() if file != "index.json"} == {
        f"{name}/main.log": name.encode() for name in names
    }


def test_one_that_cannot_be_read_does_not_lose_the_rest(bench: Bench) -> None:
    add_pod(bench.server, "web-0", main=b"hello\n", other=b"x")
    bench.server.logs["team-a/web-0/other"] = ServedLog(status=403, message="the log is nobody's")
    note = bench.dump("web-0", "web-1")["note"]
    assert bench.unpacked()["web-0/main.log"] == b"hello\n"
    errors = {entry["container"]: entry["error"] for entry in bench.index["logs"]}
    assert errors == {"main": "", "other": "403 the log is nobody's"}
    assert bench.index["leftOut"] == [
        {"namespace": "team-a", "pod": "web-1", "why": "is gone since the job was submitted"}
    ]
    assert "2 of 3 logs" in note
    assert "container other of pod web-0: 403 the log is nobody's" in note
    assert "pod web-1 is gone" in note


def test_a_node_that_does_not_answer_costs_its_own_logs_and_not_much_time(bench: Bench) -> None:
    down = ServedLog(status=500, message=NO_ROUTE)
    add_pod(bench.server, "web-0", main=b"hello\n")
    for number in range(1, 40):
        add_pod(bench.server, f"web-{number}", node="node-2", main=b"")
        bench.server.logs[f"team-a/web-{number}/main"] = down
    note = bench.dump(*(f"web-{number}" for number in range(40)))["note"]
    entries = {entry["pod"]: entry for entry in bench.index["logs"]}
    assert entries["web-0"]["error"] == ""
    assert all(f"node node-2 did not answer: 500 {NO_ROUTE}" in entries[f"web-{n}"]["error"] for n in range(1, 40))
    assert "and 36 more" in note


def test_a_log_longer_than_its_scratch_space_goes_on_in_further_files(bench: Bench) -> None:
    content = noise(4 * MIB)
    add_pod(bench.server, "web-0", main=content, other=b"short\n")
    assert bench.dump("web-0")["note"] == ""
    (entry,) = [entry for entry in bench.index["logs"] if entry["container"] == "main"]
    files = [entry["file"], *entry["furtherFiles"]]
    assert files == ["web-0/main.log", "web-0/main.log.2", "web-0/main.log.3", "web-0/main.log.4"]
    assert b"".join(bench.unpacked()[file] for file in files) == content
    assert (entry["bytes"], entry["error"]) == (len(content), "")


def test_what_the_kubelet_says_instead_of_a_log_is_in_the_index_and_the_message(bench: Bench) -> None:
    add_pod(bench.server, "web-0", main=b"hello\n", gone=b"")
    bench.server.logs["team-a/web-0/gone"].said = b"unable to retrieve container logs for containerd://0123"
    note = bench.dump("web-0")["note"]
    assert set(bench.unpacked()) == {"web-0/main.log", "index.json"}
    entry = next(entry for entry in bench.index["logs"] if entry["container"] == "gone")
    assert (entry["file"], entry["bytes"]) == ("", 0)
    assert entry["error"] == "unable to retrieve container logs for containerd://0123"
    assert "1 of 2 logs are not" in note
    assert "container gone of pod web-0: unable to retrieve container logs" in note


def test_node_inputs_narrow_and_excluded_nodes_are_left_out(bench: Bench) -> None:
    for number in range(3):
        add_pod(bench.server, f"web-{number}", node=f"node-{number}", main=b"x")
    chosen = asked("web-0", "web-1", "web-2", nodes=("node-0", "node-1"), excluded=("node-1",))
    assert bench.dump_as(chosen)["note"] == ""
    assert set(bench.unpacked()) == {"web-0/main.log", "index.json"}
    why = {entry["pod"]: entry["why"] for entry in bench.index["leftOut"]}
    assert why == {
        "web-1": "is on node node-1, which is in excludedNodes",
        "web-2": "is on node node-2, which no node input names",
    }


def test_workloads_of_two_namespaces_do_not_mix(bench: Bench) -> None:
    add_pod(bench.server, "web-0", main=b"a")
    add_pod(bench.server, "web-0", namespace="team-b", main=b"b")
    both = ArchiveRequest(
        (Workload("web", "team-a", ("web-0",)), Workload("api", "team-b", ("web-0",))), frozenset(), frozenset(), ""
    )
    bench.dump_as(both)
    found = bench.unpacked("/ops/dumplog/web_and_1_more/job-1.tar.gz")
    assert found["team-a/web-0/main.log"] == b"a"
    assert found["team-b/web-0/main.log"] == b"b"


@pytest.mark.parametrize("pods", [(), ("web-9",)])
def test_without_a_pod_it_fails_and_says_what_was_looked_for(bench: Bench, pods: tuple[str, ...]) -> None:
    with pytest.raises(NothingError, match=r"no pod was 'web'|pod web-9 is gone"):
        bench.dump(*pods)
    assert bench.objects.seen == []


def test_when_nothing_could_be_read_there_is_no_archive(bench: Bench) -> None:
    add_pod(bench.server, "web-0", main=b"")
    bench.server.logs["team-a/web-0/main"] = ServedLog(status=400, message="gone")
    with pytest.raises(NothingError, match=r"none of the 1 logs could be read: .*400 gone"):
        bench.dump("web-0")
    assert bench.leaves_nothing


def test_logs_of_nodes_are_in_the_same_archive_and_index(bench: Bench) -> None:
    add_pod(bench.server, "web-0", main=b"hello\n")
    labels = {"workflows.argoproj.io/workflow": "job-1", "opsjob.io/step": "node-log"}
    metadata = {"labels": labels, "annotations": {"opsjob.io/node": "node-1"}}
    bench.server.add_pod("step", node="node-1", metadata=metadata, status={"phase": "Succeeded"})
    lines = [
        *relayed_log.lines("journal", b"a journal\n", ""),
        *relayed_log.lines("kernel", b"", "dmesg: not permitted"),
    ]
    bench.server.logs["opsjobs-jobs/step/main"] = ServedLog(b"".join(lines))
    wanted = replace(asked("web-0"), node_logs=RequestedNodes(("node-1",), {"node-2": "is NotReady"}))
    note = bench.dump_as(wanted)["note"]
    found = bench.unpacked()
    assert set(found) == {"web-0/main.log", "nodes/node-1/journal.log", "index.json"}
    assert found["nodes/node-1/journal.log"] == b"a journal\n"
    read, unread, *down = bench.index["nodeLogs"]
    assert read == {
        "file": "nodes/node-1/journal.log",
        "node": "node-1",
        "kind": "journal",
        "bytes": 10,
        "error": "",
    }
    assert (unread["kind"], unread["file"], unread["error"]) == ("kernel", "", "dmesg: not permitted")
    assert [(log["node"], log["error"]) for log in down] == [("node-2", "is NotReady")] * 2
    assert "logs of nodes are not, or not wholly, in it: node node-2: is NotReady; node node-1: dmesg" in note


def test_a_node_s_log_is_worth_an_archive_where_the_workload_has_none(bench: Bench) -> None:
    add_pod(bench.server, "web-0", main=b"")
    bench.server.logs["team-a/web-0/main"] = ServedLog(status=400, message="gone")
    labels = {"workflows.argoproj.io/workflow": "job-1", "opsjob.io/step": "node-log"}
    metadata = {"labels": labels, "annotations": {"opsjob.io/node": "node-1"}}
    bench.server.add_pod("step", node="node-1", metadata=metadata, status={"phase": "Succeeded"})
    bench.server.logs["opsjobs-jobs/step/main"] = ServedLog(b"".join(relayed_log.lines("journal", b"why\n", "")))
    bench.dump_as(replace(asked("web-0"), node_logs=RequestedNodes(("node-1",))))
    assert set(bench.unpacked()) == {"nodes/node-1/journal.log", "index.json"}


def test_a_store_that_goes_away_leaves_no_half_archive(bench: Bench) -> None:
    bench.reader.limit = 8 * MIB
    add_pod(bench.server, "web-0", main=noise(3 * MIB))
    bench.objects.refuses = lambda _method, query: (503, "SlowDown") if query.get("partNumber") == ["2"] else None
    with pytest.raises(StoreError, match="503 SlowDown"):
        bench.dump("web-0")
    assert bench.leaves_nothing


def test_a_stop_in_mid_upload_leaves_no_half_archive(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> None:
        raise StoppedError

    add_pod(bench.server, "web-0", main=b"x")
    monkeypatch.setattr(dump, "index", stopped)
    with pytest.raises(StoppedError):
        bench.dump("web-0")
    assert [method for method, _ in bench.objects.seen][-1] == "DELETE"
    assert bench.leaves_nothing


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ("", "stopped; nothing of the archive is in the object store"),
        ("the whole object may be still in the bucket", "stopped; the whole object may be still in the bucket"),
    ],
)
def test_who_stopped_it_hears_what_is_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, left: str, said: str
) -> None:
    def stopped(*_: Any) -> None:
        bench.store.left = left
        raise StoppedError

    asked_for, word = tmp_path / "dumplog.json", tmp_path / "word"
    asked_for.write_text(json.dumps({"workloads": [], "nodes": [], "excludedNodes": [], "lookedFor": ""}))
    monkeypatch.setattr("sys.argv", ["dump", "--job=job-1", "--scratch-mebibytes=13", f"--request={asked_for}"])
    monkeypatch.setenv("OPSJOB_TERMINATION_LOG", str(word))
    monkeypatch.setattr(Cluster, "in_pod", lambda: bench.cluster)
    monkeypatch.setattr(Store, "in_pod", lambda: bench.store)
    monkeypatch.setattr(dump, "dump", stopped)
    usual = signal.getsignal(signal.SIGTERM)
    try:
        assert dump.main() == 143
    finally:
        signal.signal(signal.SIGTERM, usual)
    assert word.read_text() == said


def test_an_api_server_that_is_away_for_a_moment_is_outlasted(bench: Bench) -> None:
    add_pod(bench.server, "web-0", main=b"x")
    bench.server.faults = [503, HANG_UP]
    assert bench.dump("web-0")["note"] == ""
    assert bench.unpacked()["web-0/main.log"] == b"x"


def test_it_reads_what_submission_wrote(tmp_path: Path) -> None:
    file = tmp_path / "dumplog.json"
    file.write_text(
        json.dumps(
            {
                "workloads": [{"name": "web", "namespace": "team-a", "pods": ["web-0", "web-1"]}],
                "nodes": ["node-0", "node-1"],
                "excludedNodes": ["node-1"],
                "lookedFor": "no pod was 'web'",
            }
        )
    )
    assert ArchiveRequest.read(file) == asked("web-0", "web-1", nodes=("node-0", "node-1"), excluded=("node-1",))


def test_a_pod_without_a_node_is_left_out_only_where_nodes_are_named() -> None:
    assert asked().leaves_out("") == ""
    assert asked(nodes=("node-1",)).leaves_out("") == "is on no node yet"

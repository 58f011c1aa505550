"""The step that reports: whatever is wrong with one node, with the store or with the API, and what it ends with."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.workflow_templates.apiserver import PODS, WORKFLOWS, ApiServer, ServedLog
from tests.unit.workflow_templates.s3server import S3Server, serving
from workflow_templates.cluster import Cluster
from workflow_templates.objects import Place, Store
from workflow_templates.preflight import checks, report
from workflow_templates.preflight.watch import NEVER_STARTED
from workflow_templates.sigv4 import Signer

JOB = "job-1"
FOUND = 'opsjob-result: {"checks": [{"name": "disk", "ok": true}]}\n'


@dataclass
class Step:
    """The step in its pod."""

    server: ApiServer
    store: S3Server
    folder: Path

    def main(self) -> int:
        return report.main()

    @property
    def nodes(self) -> dict[str, Any]:
        """The report's, by name."""
        found = json.loads(self.store.objects[f"/ops/preflight/{JOB}/report.json"])
        return {node["name"]: node for node in found["nodes"]}

    @property
    def last_word(self) -> str:
        return (self.folder / "last-word").read_text()


@pytest.fixture
def ready(server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Step]:
    (tmp_path / "plan.json").write_text(json.dumps({"name": "p", "image": "i", "excluded": []}))
    monkeypatch.setenv("OPSJOB_TERMINATION_LOG", str(tmp_path / "last-word"))
    arguments = ["report", f"--job={JOB}", f"--plan={tmp_path}/plan.json"]
    monkeypatch.setattr("sys.argv", [*arguments, f"--output={tmp_path}/report", f"--given-up={tmp_path}/given-up"])
    monkeypatch.setattr(report, "_STORE_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(report, "_LAST_WORD_SECONDS", 0.3)
    monkeypatch.setattr(report, "_LOOK_SECONDS", 0.01)
    cluster.patience = 0.3
    with serving(S3Server()) as objects, httpx.Client(timeout=60, trust_env=False) as http:
        place = Place(endpoint=objects.url, bucket="ops")
        store = Store(http, place, Signer("key", "secret", "us-east-1"), patience=0.1)
        monkeypatch.setattr(Cluster, "in_pod", lambda: cluster)
        monkeypatch.setattr(Store, "in_pod", lambda: store)
        yield Step(server, objects, tmp_path)


def job(server: ApiServer, **codes: int | None) -> None:
    """A Workflow with a check on each node that ended with that code (None: it has not), its pod and a log."""
    nodes: dict[str, Any] = {}
    for name, code in codes.items():
        phase = "Running" if code is None else "Failed" if code else "Succeeded"
        nodes[name] = {
            "id": f"id-{name}",
            "type": "Pod",
            "templateName": "check",
            "phase": phase,
            "message": f"main: Error (exit code {code})" if code else "",
            "inputs": {"parameters": [{"name": "node", "value": name}]},
            "outputs": {} if code is None else {"exitCode": str(code)},
        }
        pod(server, name, running=code is None)
    value = json.dumps(list(codes))
    arguments = {"parameters": [{"name": "nodes", "value": value}]}
    server.put(f"{WORKFLOWS}/{JOB}", {"spec": {"arguments": arguments}, "status": {"nodes": nodes}})


def pod(server: ApiServer, name: str, *, running: bool = False, annotations: dict[str, str] | None = None) -> None:
    labels = {"workflows.argoproj.io/workflow": JOB, "opsjob.io/step": "node"}
    state: dict[str, Any] = {"running": {}} if running else {"terminated": {}}
    server.add_pod(
        f"pod-{name}",
        node=name,
        metadata={
            "labels": labels,
            "annotations": {"workflows.argoproj.io/node-id": f"id-{name}", **(annotations or {})},
        },
        status={"phase": "Running", "containerStatuses": [{"name": "main", "state": state}]},
    )
    server.logs[f"opsjobs-jobs/pod-{name}/main"] = ServedLog(FOUND.encode())


def test_all_three_files_are_written_and_the_address_is_answered(ready: Step) -> None:
    job(ready.server, a=0, b=1)
    assert ready.main() == 0
    assert {path.rpartition("/")[2] for path in ready.store.objects} == {"report.json", "junit.xml", "matrix.svg"}
    assert (ready.folder / "report").read_text() == f"s3://ops/preflight/{JOB}/report.json"
    assert {name: node["status"] for name, node in ready.nodes.items()} == {"a": "pass", "b": "fail"}
    assert ready.nodes["a"]["checks"][0]["name"] == "disk"


def test_one_nodes_result_file_costs_nobody_else_the_report(ready: Step) -> None:
    job(ready.server, a=0, b=0)
    ready.server.logs["opsjobs-jobs/pod-b/main"] = ServedLog(
        rb'opsjob-result: {"checks":[{"name":"x\ud800","ok":true,"value":NaN}]}'
    )
    assert ready.main() == 0
    assert {name: node["status"] for name, node in ready.nodes.items()} == {"a": "pass", "b": "pass"}


def test_what_nobody_thought_of_in_one_node_is_its_own_error(ready: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    job(ready.server, a=0, b=0)
    of = checks.of

    def surprised(name: str, *rest: Any) -> Any:
        if name == "b":
            raise KeyError("whatever\ud800")
        return of(name, *rest)

    monkeypatch.setattr(checks, "of", surprised)
    assert ready.main() == 0
    assert ready.nodes["a"]["status"] == "pass"
    assert ready.nodes["b"]["status"] == "error"
    assert "KeyError" in ready.nodes["b"]["reason"]


def test_a_log_that_cannot_be_read_leaves_the_exit_code(ready: Step) -> None:
    job(ready.server, a=1, b=0)
    ready.server.logs["opsjobs-jobs/pod-a/main"] = ServedLog(status=500, message="its node does not answer")
    assert ready.main() == 0
    assert (ready.nodes["a"]["status"], ready.nodes["a"]["checks"]) == ("fail", [])
    assert len(ready.nodes["b"]["checks"]) == 1


def test_a_log_that_ends_behind_its_container_is_waited_for(ready: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    job(ready.server, a=0)
    ready.server.objects[f"{PODS}/pod-a"]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] = 0
    ready.server.logs["opsjobs-jobs/pod-a/main"] = ServedLog(b"hello\n")
    # Argo's executor has the last word.
    whole = ServedLog(f'hello\n{FOUND}\nopsjob-end\ntime=2026-11-25 msg="sub-process exited" argo=true\n'.encode())
    waits = []

    def comes(seconds: float) -> None:
        waits.append(seconds)
        ready.server.logs["opsjobs-jobs/pod-a/main"] = whole

    monkeypatch.setattr(time, "sleep", comes)
    assert ready.main() == 0
    assert len(waits) == 1, "no longer than it takes"
    assert [check["name"] for check in ready.nodes["a"]["checks"]] == ["disk"]
    assert ready.nodes["a"]["lastLines"] == "hello"


def test_a_log_that_has_no_end_is_taken_as_it_is(ready: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_WHOLE_LOG_SECONDS", 0.1)
    job(ready.server, a=0)
    ready.server.objects[f"{PODS}/pod-a"]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] = 0
    assert ready.main() == 0
    assert [check["name"] for check in ready.nodes["a"]["checks"]] == ["disk"]


def test_the_patience_for_logs_without_an_end_is_one_for_all_of_them(
    ready: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand nodes whose kubelets died none costs the report time of its own."""
    names = [f"n{number:02}" for number in range(48)]
    job(ready.server, **dict.fromkeys(names, 0))
    for name in names:
        status = ready.server.objects[f"{PODS}/pod-{name}"]["status"]
        status["containerStatuses"][0]["state"]["terminated"]["exitCode"] = 0
    reads: list[str] = []

    def unreadable(_cluster: object, pod: dict[str, Any]) -> str:
        reads.append(pod["metadata"]["name"])
        return ""

    monkeypatch.setattr(report, "_read", unreadable)
    monkeypatch.setattr(report, "_WHOLE_LOG_SECONDS", 0.5)
    monkeypatch.setattr(report, "_LOOK_SECONDS", 0.1)
    assert ready.main() == 0
    assert set(reads) == {f"pod-{name}" for name in names}
    assert len(reads) <= len(names) + 6 * report._READERS


def test_a_node_that_is_lost_is_not_asked_for_its_log(ready: Step) -> None:
    job(ready.server, a=255, b=0)
    lost = ready.server.objects[f"{PODS}/pod-a"]
    lost["status"] |= {"phase": "Failed", "reason": "NodeLost"}
    assert ready.main() == 0
    assert ready.nodes["a"]["status"] == "error"
    assert [len(ready.nodes[name]["checks"]) for name in ("a", "b")] == [0, 1]


def test_one_that_was_given_up_says_why_to_the_record_too(ready: Step) -> None:
    job(ready.server, a=137, b=0)
    pod(ready.server, "a", annotations={"opsjob.io/given-up": f"{NEVER_STARTED} within 20 s: no image"})
    assert ready.main() == 0
    assert ready.nodes["a"]["status"] == "error"
    assert ready.nodes["a"]["reason"] == f"{NEVER_STARTED} within 20 s: no image"
    assert json.loads((ready.folder / "given-up").read_text()) == {"a": f"{NEVER_STARTED} within 20 s: no image"}


def test_a_pod_that_is_gone_leaves_what_argo_knows(ready: Step) -> None:
    job(ready.server, a=1)
    del ready.server.objects[f"{PODS}/pod-a"]
    assert ready.main() == 0
    assert (ready.nodes["a"]["status"], ready.nodes["a"]["reason"]) == ("fail", "exit code 1")


def test_one_that_was_told_to_end_has_the_time_for_a_last_word(ready: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argo calls its step failed before its containers have ended."""
    monkeypatch.setattr(report, "_LAST_WORD_SECONDS", 60)
    job(ready.server, a=None)
    ready.server.logs["opsjobs-jobs/pod-a/main"] = ServedLog(b"not yet")
    looked = 0

    def ends() -> None:
        nonlocal looked
        looked += 1
        pod(ready.server, "a")

    monkeypatch.setattr(time, "sleep", lambda _: ends())
    assert ready.main() == 0
    assert looked == 1
    assert ready.nodes["a"]["status"] == "error"
    assert [check["name"] for check in ready.nodes["a"]["checks"]] == ["disk"]


def test_one_that_does_not_end_is_not_waited_for_long(ready: Step) -> None:
    job(ready.server, a=None, b=0)
    assert ready.main() == 0
    assert {name: node["status"] for name, node in ready.nodes.items()} == {"a": "error", "b": "pass"}


def test_a_store_that_is_away_longer_than_we_wait_is_tried_again(ready: Step) -> None:
    job(ready.server, a=0)
    ready.store.refuses = lambda _method, _query: (503, "SlowDown")
    assert ready.main() == 75
    assert "the report was not written: the object store" in ready.last_word
    assert not (ready.folder / "report").exists()
    ready.store.refuses = lambda _method, _query: None
    assert ready.main() == 0
    assert ready.nodes["a"]["status"] == "pass"


def test_a_store_that_refuses_is_not(ready: Step) -> None:
    job(ready.server, a=0)
    ready.store.refuses = lambda _method, _query: (403, "AccessDenied")
    assert ready.main() == 1
    assert "refuses our key" in ready.last_word


def test_an_api_that_is_away_is_tried_again(ready: Step) -> None:
    job(ready.server, a=0)
    ready.server.faults = [503] * 1000
    assert ready.main() == 75


def test_a_job_whose_workflow_is_gone_has_no_report(ready: Step) -> None:
    assert ready.main() == 1
    assert "is gone" in ready.last_word

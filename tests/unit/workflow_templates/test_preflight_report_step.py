"""The step that reports: whatever is wrong with one node, with the store or with the API, and what it ends with."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.plain_http import NO_TLS
from tests.unit.workflow_templates.apiserver import PODS, WORKFLOWS, ApiServer, ServedLog
from tests.unit.workflow_templates.s3server import S3Server, serving
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.object_store import Store
from workflow_templates.preflight import check_results, fetch_svg, report, runner_results
from workflow_templates.protocol import check_outcome
from workflow_templates.protocol.check_outcome import CheckOutcome
from workflow_templates.protocol.sigv4 import Signer
from workflow_templates.protocol.store_location import StoreLocation

JOB = "job-1"
FOUND = 'opsjob-result: {"checks": [{"name": "disk", "ok": true}]}\n'
STATUS = {0: "pass", 1: "fail"}


def log_of(code: int | None) -> bytes:
    """A runner's log: what the check wrote, and then how it ended, if it has."""
    outcome = {"status": STATUS.get(code or 0, "error") if code else "pass", "code": code, "message": ""}
    return f"{FOUND}{'' if code is None else f'opsjob-outcome: {json.dumps(outcome)}'}\n".encode()


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
    def termination_message(self) -> str:
        return (self.folder / "last-word").read_text()


@pytest.fixture
def ready(server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Step]:
    (tmp_path / "plan.json").write_text(json.dumps({"name": "p", "image": "i", "excluded": []}))
    monkeypatch.setenv("OPSJOB_TERMINATION_LOG", str(tmp_path / "last-word"))
    arguments = ["report", f"--job={JOB}", f"--plan={tmp_path}/plan.json"]
    monkeypatch.setattr("sys.argv", [*arguments, f"--output={tmp_path}/report"])
    monkeypatch.setattr(report, "_STORE_PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(runner_results, "_LAST_WORD_SECONDS", 0.3)
    monkeypatch.setattr(runner_results, "_WHOLE_LOG_SECONDS", 0.1)
    monkeypatch.setattr(runner_results, "_LOOK_SECONDS", 0.01)
    cluster.patience = 0.3
    with serving(S3Server()) as objects, httpx.Client(timeout=60, trust_env=False, verify=NO_TLS) as http:
        place = StoreLocation(endpoint=objects.url, bucket="ops")
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
        pod(server, name, code)
    value = json.dumps(list(codes))
    arguments = {"parameters": [{"name": "nodes", "value": value}]}
    server.put(f"{WORKFLOWS}/{JOB}", {"spec": {"arguments": arguments}, "status": {"nodes": nodes}})


def pod(server: ApiServer, name: str, code: int | None = 0) -> None:
    labels = {"workflows.argoproj.io/workflow": JOB, "opsjob.io/step": "node"}
    state: dict[str, Any] = {"running": {}} if code is None else {"terminated": {}}
    server.add_pod(
        f"pod-{name}",
        node=name,
        metadata={
            "labels": labels,
            "annotations": {"workflows.argoproj.io/node-id": f"id-{name}"},
        },
        status={"phase": "Running", "containerStatuses": [{"name": "main", "state": state}]},
    )
    server.logs[f"opsjobs-jobs/pod-{name}/main"] = ServedLog(log_of(code))


def test_all_three_files_are_written_and_the_address_is_answered(ready: Step) -> None:
    job(ready.server, a=0, b=1)
    assert ready.main() == 0
    assert {path.rpartition("/")[2] for path in ready.store.objects} == {"report.json", "junit.xml", "matrix.svg"}
    assert (ready.folder / "report").read_text() == f"s3://ops/preflight/{JOB}/report.json"
    assert {name: node["status"] for name, node in ready.nodes.items()} == {"a": "pass", "b": "fail"}
    assert ready.nodes["a"]["checks"][0]["name"] == "disk"


def test_argo_is_given_a_page_with_the_reports_picture(ready: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    job(ready.server, a=0, b=1)
    assert ready.main() == 0
    page = ready.folder / "matrix.html"
    monkeypatch.setattr("sys.argv", ["fetch_svg", f"--job={JOB}", f"--output={page}"])
    assert fetch_svg.main() == 0
    picture = ready.store.objects[f"/ops/preflight/{JOB}/matrix.svg"].decode()
    assert page.read_text().startswith("<!doctype html>")
    assert picture in page.read_text()


def test_one_nodes_result_file_costs_nobody_else_the_report(ready: Step) -> None:
    job(ready.server, a=0, b=0)
    ready.server.logs["opsjobs-jobs/pod-b/main"] = ServedLog(
        rb'opsjob-result: {"checks":[{"name":"x\ud800","ok":true,"value":NaN}]}'
    )
    assert ready.main() == 0
    assert {name: node["status"] for name, node in ready.nodes.items()} == {"a": "pass", "b": "pass"}


def test_what_nobody_thought_of_in_one_node_is_its_own_error(ready: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    job(ready.server, a=0, b=0)
    of = check_results.of

    def surprised(name: str, *rest: Any) -> Any:
        if name == "b":
            raise KeyError("whatever\ud800")
        return of(name, *rest)

    monkeypatch.setattr(check_results, "of", surprised)
    assert ready.main() == 0
    assert ready.nodes["a"]["status"] == "pass"
    assert ready.nodes["b"]["status"] == "error"
    assert "KeyError" in ready.nodes["b"]["reason"]


def test_a_log_that_cannot_be_read_leaves_what_the_runner_says_beside_it(ready: Step) -> None:
    job(ready.server, a=1, b=0, c=1)
    for name in ("a", "c"):
        ready.server.logs[f"opsjobs-jobs/pod-{name}/main"] = ServedLog(status=500, message="its node does not answer")
    found = ready.server.objects[f"{WORKFLOWS}/{JOB}"]
    said = check_outcome.written({"a": CheckOutcome(status="fail", code=1)})
    found["status"]["nodes"]["a"]["outputs"]["parameters"] = [{"name": "outcomes", "value": said}]
    assert ready.main() == 0
    assert (ready.nodes["a"]["status"], ready.nodes["a"]["checks"]) == ("fail", [])
    assert len(ready.nodes["b"]["checks"]) == 1
    assert ready.nodes["c"]["status"] == "error", "its runner's own exit code says nothing of the node"


def test_a_log_that_ends_behind_its_container_is_waited_for(ready: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_results, "_WHOLE_LOG_SECONDS", 60)
    job(ready.server, a=0)
    ready.server.logs["opsjobs-jobs/pod-a/main"] = ServedLog(b"hello\n")
    # Argo's executor has the last word.
    rest = log_of(0).decode().replace("opsjob-outcome", "\nopsjob-end\nopsjob-outcome")
    whole = ServedLog(f'hello\n{rest}time=2026-11-25 msg="sub-process exited" argo=true\n'.encode())
    waits = []

    def comes(seconds: float) -> None:
        waits.append(seconds)
        ready.server.logs["opsjobs-jobs/pod-a/main"] = whole

    monkeypatch.setattr(time, "sleep", comes)
    assert ready.main() == 0
    assert len(waits) == 1, "no longer than it takes"
    assert [check["name"] for check in ready.nodes["a"]["checks"]] == ["disk"]
    assert ready.nodes["a"]["lastLines"] == "hello"


def test_a_log_that_has_no_end_is_taken_as_it_is(ready: Step) -> None:
    job(ready.server, a=0)
    ready.server.logs["opsjobs-jobs/pod-a/main"] = ServedLog(FOUND.encode())
    assert ready.main() == 0
    assert [check["name"] for check in ready.nodes["a"]["checks"]] == ["disk"]


def test_of_several_attempts_the_last_counts(ready: Step) -> None:
    job(ready.server, a=0)
    nodes = ready.server.objects[f"{WORKFLOWS}/{JOB}"]["status"]["nodes"]
    nodes["a"] |= {"name": "check(0:a)(1)", "startedAt": "2026-01-02T03:05:00Z"}
    earlier = {"id": "lost", "name": "check(0:a)(0)", "phase": "Error", "startedAt": "2026-01-02T03:04:00Z"}
    nodes["lost"] = {**nodes["a"], **earlier}
    assert ready.main() == 0
    assert ready.nodes["a"]["status"] == "pass"


def test_checks_that_share_a_runner_have_a_line_each(ready: Step) -> None:
    job(ready.server, a=0, b=1, c=0, d=None)
    nodes = ready.server.objects[f"{WORKFLOWS}/{JOB}"]["status"]["nodes"]
    group = {"parameters": [{"name": "group", "value": "1 to 3"}]}
    nodes["group"] = {**nodes["a"], "id": "id-a", "templateName": "checks", "phase": "Failed", "inputs": group}
    for name in "abcd":
        del nodes[name]
    log = b"".join(b"a: " + line + b"\n" for line in log_of(0).splitlines())
    log += b"".join(b"b: " + line + b"\n" for line in log_of(1).splitlines())
    ready.server.logs["opsjobs-jobs/pod-a/main"] = ServedLog(log)
    ready.server.objects.pop(f"{PODS}/pod-d")
    assert ready.main() == 0
    assert {name: node["status"] for name, node in ready.nodes.items()} == {
        "a": "pass",
        "b": "fail",
        "c": "error",
        "d": "error",
    }
    assert [check["name"] for check in ready.nodes["b"]["checks"]] == ["disk"]
    assert ready.nodes["d"]["reason"] == "not begun"


def test_one_that_is_being_ended_has_time_for_a_message(ready: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """Argo calls its step failed before its containers have ended."""
    monkeypatch.setattr(runner_results, "_LAST_WORD_SECONDS", 60)
    job(ready.server, a=None)
    ready.server.logs["opsjobs-jobs/pod-a/main"] = ServedLog(b"not yet")
    looked = 0

    def ends(_seconds: float) -> None:
        nonlocal looked
        looked += 1
        pod(ready.server, "a", 143)

    monkeypatch.setattr(time, "sleep", ends)
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
    assert "the object store" in ready.termination_message
    assert not (ready.folder / "report").exists()
    ready.store.refuses = lambda _method, _query: None
    assert ready.main() == 0
    assert ready.nodes["a"]["status"] == "pass"


def test_a_store_that_refuses_is_not(ready: Step) -> None:
    job(ready.server, a=0)
    ready.store.refuses = lambda _method, _query: (403, "AccessDenied")
    assert ready.main() == 1
    assert "refuses our key" in ready.termination_message


def test_an_api_that_is_away_is_tried_again(ready: Step) -> None:
    job(ready.server, a=0)
    ready.server.faults = [503] * 1000
    assert ready.main() == 75


def test_a_job_whose_workflow_is_gone_has_no_report(ready: Step) -> None:
    assert ready.main() == 1
    assert "is gone" in ready.termination_message

"""The verdict of the ratio rule, as the Workflow itself gives it."""

import base64
import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import WORKFLOWS, ApiServer
from workflow_templates.addon import evaluate
from workflow_templates.kubernetes_api import Cluster, Object


def workflow(*, compressed: bool = False, **phases: str) -> Object:
    nodes: dict[str, Any] = {"root": {"type": "Steps", "templateName": "addon", "phase": "Running"}}
    for name, phase in phases.items():
        inputs = {"parameters": [{"name": "node", "value": name}]}
        entry = {"templateName": "node", "inputs": inputs, "phase": phase}
        nodes[name] = {"type": "Retry", **entry}
        nodes[f"{name}-0"] = {"type": "Pod", **entry, "phase": "Failed"}
    packed = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
    parameters = [{"name": "nodes", "value": json.dumps(list(phases))}]
    return {
        "metadata": {},
        "spec": {"arguments": {"parameters": parameters}},
        "status": {"compressedNodes": packed} if compressed else {"nodes": nodes},
    }


@pytest.mark.parametrize("compressed", [False, True])
def test_nodes_are_counted_once_by_their_last_attempt(compressed: bool) -> None:  # noqa: FBT001
    counted = evaluate.tally(workflow(compressed=compressed, n1="Succeeded", n2="Failed", n3="Error", n4="Running"))
    assert counted.planned == 4
    assert counted.succeeded == {"n1"}
    assert counted.failed == {"n2", "n3"}
    assert not counted.complete


@pytest.mark.parametrize(("required", "enough"), [(0, True), (2, True), (3, False)])
def test_the_verdict(server: ApiServer, cluster: Cluster, required: int, enough: bool) -> None:  # noqa: FBT001
    server.put(f"{WORKFLOWS}/job-1", workflow(n1="Succeeded", n2="Failed", n3="Succeeded"))
    verdict = evaluate.evaluate(cluster, "job-1", required)
    assert (verdict == "") is enough
    if not enough:
        assert verdict == "2 of 3 nodes succeeded and 3 must; not done: n2"


def test_many_failed_nodes_are_not_all_named() -> None:
    failed = {f"n{number:02}": "Failed" for number in range(13)}
    verdict = evaluate.tally(workflow(compressed=False, **failed)).verdict(1)
    assert verdict.endswith("n08, n09 and 3 more")


def test_entries_that_argo_has_yet_to_write_are_waited_for(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put(f"{WORKFLOWS}/job-1", workflow(n1="Succeeded", n2="Running"))

    def argo_writes(_seconds: float) -> None:
        server.put(f"{WORKFLOWS}/job-1", workflow(n1="Succeeded", n2="Succeeded"))

    monkeypatch.setattr(time, "sleep", argo_writes)
    assert evaluate.evaluate(cluster, "job-1", 2) == ""


def test_a_job_that_is_gone_has_no_good_verdict(cluster: Cluster) -> None:
    assert evaluate.evaluate(cluster, "job-1", 1) == "job job-1 is gone"


@pytest.mark.parametrize(("fault", "code"), [(503, 75), (403, 1)])
def test_an_api_that_stays_away_is_asked_again_later(  # noqa: PLR0913, PLR0917 - fixtures
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: int, code: int
) -> None:
    server.put(f"{WORKFLOWS}/job-1", workflow(n1="Succeeded", n2="Failed"))
    monkeypatch.setattr(Cluster, "in_pod", lambda: cluster)
    monkeypatch.setattr("sys.argv", ["evaluate", "--job=job-1", "--required=1"])
    monkeypatch.setenv("OPSJOB_TERMINATION_LOG", str(tmp_path / "last-word"))
    server.faults = [fault] * 10_000
    cluster.patience = 0.05
    assert evaluate.main() == code
    assert "counted" in (tmp_path / "last-word").read_text()
    server.faults, cluster.patience = [], 60.0
    assert evaluate.main() == 0

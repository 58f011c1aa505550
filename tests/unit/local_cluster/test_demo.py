import json
from typing import Any

import pytest

from local_cluster.demo import changes, how_to_go_on, ran, request
from local_cluster.handover import Handover


def job(phase: str, **nodes: str) -> dict[str, Any]:
    return {"phase": phase, "plan": {"nodes": [{"name": name, "phase": state} for name, state in nodes.items()]}}


def test_only_what_changed_is_told() -> None:
    seen: dict[str, str] = {}
    assert changes(job("Pending", a="Pending"), seen) == ["job: Pending", "a: Pending"]
    assert changes(job("Running", a="Pending"), seen) == ["job: Running"]
    assert changes(job("Running", a="Pending"), seen) == []


def test_a_new_message_is_news_though_the_phase_is_the_same() -> None:
    seen: dict[str, str] = {}
    waiting = job("Running", a="Pending")
    changes(waiting, seen)
    waiting["plan"]["nodes"][0]["message"] = "held by job x"
    assert changes(waiting, seen) == ["a: Pending - held by job x"]


def test_the_first_job_names_its_nodes_two_at_a_time() -> None:
    body = request(["n1", "n2", "n3"])
    assert [one["value"] for one in body["inputs"] if one["name"] == "node"] == ["n1", "n2", "n3"]
    assert body["batchCount"] == 2


def test_what_ran_is_told_per_node_and_template() -> None:
    template = {"name": "demo", "result": "succeeded", "lastLines": "changed\n"}
    report = json.dumps([{"node": "n1", "templates": [template]}, {"node": "n2", "templates": []}])
    assert ran({"outputs": [{"name": "report", "value": report}]}) == ["n1: demo succeeded: changed"]


def test_a_job_that_left_no_report_tells_nothing() -> None:
    assert ran({"outputs": []}) == []


@pytest.mark.parametrize("ours", [True, False])
def test_it_ends_with_commands_that_go_on(capsys: pytest.CaptureFixture[str], *, ours: bool) -> None:
    handover = Handover(
        "kubeconfig", "https://127.0.0.1:1", argoUrl="https://argo:2", bin="build/bin", containers={}, ca="ca.crt"
    )
    how_to_go_on(handover, job("Succeeded", n1="Succeeded") | {"jobId": "first-job-aaaaaa"}, ours=ours)
    told = capsys.readouterr().out
    for command in ("opsjobs list", "opsjobs report first-job-aaaaaa", "--node n1 --wait", "curl -s --cacert ca.crt"):
        assert command in told
    assert ("PATH=build/bin:$PATH:" in told) is ours
    assert ("https://argo:2/workflows/opsjobs-jobs is Argo's UI" in told) is ours
    assert ('echo "Bearer $(kubectl create token argo-reader -n argo' in told) is ours

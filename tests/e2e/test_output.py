"""What a job's steps write, read and followed on the real cluster."""

import json
from collections.abc import Callable

import httpx
import pytest

from tests.e2e.follower import Follower
from tests.e2e.live import Api, Cluster, inputs, wait_for
from tests.e2e.preflight_jobs import check, outputs
from workflow_templates.protocol.labels import ARGO_WORKFLOW

GATE = "/run/e2e-output-go"


def log_of(api: Api, job_id: str, **query: str) -> httpx.Response:
    return api.client.get(f"/api/v1/opsjobs/{job_id}/log", params=query)


def test_a_script_is_followed_line_by_line_to_the_end_of_its_job(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    cluster.on_host(node, "rm", "-f", GATE)
    script = f"""
    for i in $(seq 100); do echo "line $i"; done
    until test -e {GATE}; do sleep 0.2; done
    head -c 40000 /dev/zero | tr '\\0' x; echo
    printf 'half a line'; sleep 1; printf ' and the rest\\nlast\\n'
    """
    job_id = api.create(name="follow me", inputs=inputs(addon(script), nodes=[node]))
    follower = Follower(api, f"/api/v1/opsjobs/{job_id}/log?follow=true")
    numbered = [f"line {number}" for number in range(1, 101)]
    wait_for("the lines as they are written", lambda: "line 100" in follower.texts)
    assert api.job(job_id)["phase"] == "Running"
    cluster.on_host(node, "touch", GATE)
    follower.until_ended()
    assert api.finished(job_id)["phase"] == "Succeeded"
    assert [text for text in follower.texts if text.startswith("line ")] == numbered
    assert follower.gaps == []
    script_lines = [data for name, data in follower.events if name == "line" and data["node"] == node]
    assert {(data["step"], data["attempt"]) for data in script_lines} == {("node", 1)}
    texts = [data["text"] for data in script_lines]
    begin = texts.index("line 100") + 1
    assert [texts[begin], *texts[begin + 1 : begin + 3]] == ["x" * 16_384, "half a line and the rest", "last"]

    text = log_of(api, job_id, node=node)
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert text.text.splitlines() == texts
    assert log_of(api, job_id, node=node, tailLines="3").text.splitlines() == texts[-3:]
    report = api.client.get(f"/api/v1/opsjobs/{job_id}/outputs/report", headers={"Range": "bytes=0-0"})
    assert (report.status_code, report.text) == (206, "[")


def test_a_check_s_output_hides_its_secrets_and_its_report_comes_through_the_service(
    cluster: Cluster, api: Api, node: str
) -> None:
    """The check's pod is gone by the end of its job: what it wrote is not."""
    secret = "correct horse battery staple"
    script = 'echo "key: $API_KEY"; echo "mode $MODE"; echo done'
    job_id = check(api, cluster.image, script, [node], env={"API_KEY": secret, "MODE": "fast"})
    follower = Follower(api, f"/api/v1/opsjobs/{job_id}/log?follow=true&node={node}")
    job = api.finished(job_id)
    follower.until_ended()
    assert job["phase"] == "Succeeded", job["conditions"]
    for texts in (follower.texts, log_of(api, job_id, node=node).text.splitlines()):
        assert "key: ***" in texts
        assert "mode fast" in texts
        assert not [text for text in texts if secret in text or "opsjob-" in text]
    assert secret not in log_of(api, job_id).text

    base = f"/api/v1/opsjobs/{job_id}/outputs"
    report = api.client.get(f"{base}/report")
    assert report.headers["Content-Disposition"] == f'attachment; filename="{job_id}-report.json"'
    assert [found["name"] for found in json.loads(report.text)["nodes"]] == [node]
    part = api.client.get(f"{base}/report", headers={"Range": "bytes=1-9", "If-Range": report.headers["ETag"]})
    assert (part.status_code, part.content) == (206, report.content[1:10])
    assert api.client.get(f"{base}/picture").text.startswith("<svg")
    assert outputs(job)["report"].startswith("s3://")

    # Its pods and its Secret go; its output is in the store, and is shown as it was.
    before = log_of(api, job_id, node=node).text, log_of(api, job_id).text
    api.delete(job_id)
    wait_for("its pods to go", lambda: not cluster.items("pods", "-n", cluster.jobs, "-l", f"{ARGO_WORKFLOW}={job_id}"))
    assert (log_of(api, job_id, node=node).text, log_of(api, job_id).text) == before
    again = Follower(api, f"/api/v1/opsjobs/{job_id}/log?follow=true&node={node}")
    again.until_ended()
    assert (again.texts, again.gaps) == (follower.texts, [])


@pytest.mark.alone
def test_who_follows_over_two_deaths_of_the_service_misses_nothing(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    cluster.on_host(node, "rm", "-f", GATE)
    script = f'i=0; until test -e {GATE}; do i=$((i + 1)); echo "line $i"; sleep 0.05; done; echo "lines: $i"'
    job_id = api.create(name="outlives", inputs=inputs(addon(script), nodes=[node]))
    follower = Follower(api, f"/api/v1/opsjobs/{job_id}/log?follow=true")
    for death in (1, 2):
        wait_for("new lines", lambda: follower.connections >= death and follower.texts)  # noqa: B023
        killed = cluster.kill_services()
        wait_for("another service", lambda: cluster.ready_services() - killed)  # noqa: B023
    wait_for("it to be connected again", lambda: follower.connections >= 3)
    cluster.on_host(node, "touch", GATE)
    follower.until_ended()
    (count,) = (int(text.removeprefix("lines: ")) for text in follower.texts if text.startswith("lines: "))
    numbered = [text for text in follower.texts if text.startswith("line ")]
    assert numbered == [f"line {number}" for number in range(1, count + 1)]
    assert follower.gaps == []

"""What the service writes down: an audit line for each change, and never a token or a secret."""

import json
import secrets
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.live import Api, Cluster, inputs

JOBS = "/api/v1/opsjobs"


def log_of_the_service(cluster: Cluster) -> str:
    return cluster.kubectl("logs", "deployment/opsjobs", "-n", cluster.facts["namespace"], "--tail=20000")


def audited(cluster: Cluster, request_id: str) -> list[dict[str, Any]]:
    lines = [line for line in log_of_the_service(cluster).splitlines() if request_id in line and '"audit"' in line]
    return [json.loads(line) for line in lines]


def test_each_change_is_one_audit_line(cluster: Cluster, api: Api, addon: Callable[..., str], node: str) -> None:
    ticket = f"ticket-{secrets.token_hex(4)}"
    body = {"type": "addon", "name": "audited", "inputs": inputs(addon("true"), nodes=[node])}
    headers = {"X-Request-Id": ticket}
    api.client.post(JOBS, params={"dryRun": "true"}, headers=headers, json=body)
    answer = api.client.post(JOBS, headers=headers, json=body)
    assert answer.headers["x-request-id"] == ticket
    job_id = answer.json()["jobId"]
    api.submitted.append(job_id)
    api.client.post(f"{JOBS}/{job_id}/stop", headers=headers)
    api.client.post(f"{JOBS}/no-such-job-000000/stop", headers=headers)
    api.client.delete(f"{JOBS}/{job_id}", headers=headers)
    api.client.get(f"{JOBS}/{job_id}", headers=headers)
    lines = audited(cluster, ticket)
    who = f"system:serviceaccount:{cluster.facts['namespace']}:e2e-admin"
    assert {line["user"] for line in lines} == {who}
    assert [(line["action"], line["job_id"], line["status"], line["outcome"]) for line in lines] == [
        ("create", job_id, 200, "done"),
        ("stop", job_id, 200, "done"),
        ("stop", "no-such-job-000000", 404, "refused"),
        ("delete", job_id, 200, "done"),
    ]
    assert [line.get("nodes") for line in lines] == [[node], [node], None, [node]]


@pytest.mark.parametrize("where", ["accepted", "refused"])
def test_no_token_is_in_the_log(cluster: Cluster, api: Api, where: str) -> None:
    token = api.client.headers["Authorization"].removeprefix("Bearer ")
    if where == "refused":
        token = f"seeded{secrets.token_hex(16)}.aaaa.bbbb"
    for path in (JOBS, f"{JOBS}/x", "/metrics", f"/?token={secrets.token_hex(2)}"):
        api.client.get(path, headers={"Authorization": f"Bearer {token}"})
    log = log_of_the_service(cluster)
    assert not [part for part in token.split(".") if len(part) > 16 and part in log]


def test_a_seeded_secret_is_nowhere_but_in_its_pod(cluster: Cluster, api: Api, node: str) -> None:
    """Neither in an answer, the log, the Workflow, a ConfigMap, an Event, nor in the records' own file."""
    seed = f"seed{secrets.token_hex(12)}"
    env = {"HF_TOKEN": f"{seed}a", "DB_PASSWORD": f"{seed}b", "API_KEY": f"{seed}c", "CHECK_DISK": "plain"}
    body = {
        "type": "preflight",
        "name": "keeps a secret",
        "inputs": [{"name": "node", "value": node}],
        "image": cluster.image,
        "entryPoint": "dGVzdCAtbiAiJEhGX1RPS0VOIiAmJiB0ZXN0ICIkQ0hFQ0tfRElTSyIgPSBwbGFpbg==",
        "env": env,
        "timeoutSecond": 240,
    }
    answer = api.client.post(JOBS, json=body)
    assert answer.status_code == 200, answer.text
    job_id = answer.json()["jobId"]
    api.submitted.append(job_id)
    job = api.finished(job_id)
    assert job["phase"] == "Succeeded", job["conditions"]
    assert job["env"] == {"HF_TOKEN": "***", "DB_PASSWORD": "***", "API_KEY": "***", "CHECK_DISK": "plain"}
    objects = "workflows,configmaps,events,workflowtaskresults"
    written = {
        "answer": json.dumps(job),
        "list": api.client.get(JOBS, params={"jobName": "keeps a secret"}).text,
        "log": log_of_the_service(cluster),
        "objects": cluster.kubectl("get", objects, "-n", cluster.jobs, "-o", "json"),
        "logs of steps": cluster.kubectl(
            "logs", "-n", cluster.jobs, "--all-containers", "--tail=-1", "-l", label(job_id)
        ),
        "records": records(cluster),
    }
    assert [where for where, text in written.items() if seed in text] == []


def test_a_seeded_secret_of_a_refused_request_is_nowhere(cluster: Cluster, api: Api) -> None:
    seed = f"seed{secrets.token_hex(12)}"
    body = {
        "type": "preflight",
        "name": "refused",
        "inputs": [{"name": "node", "value": "there-is-no-such-node"}],
        "image": cluster.image,
        "entryPoint": "dHJ1ZQ==",
        "env": {"HF_TOKEN": f"{seed}a", "1 bad name": f"{seed}b", "DATABASE_URL": f"redis://:{seed}c@cache"},
    }
    said = []
    for env in (body["env"], {"HF_TOKEN": f"{seed}d"}, {"PASSWORD": [f"{seed}e"]}):
        answer = api.client.post(JOBS, json={**body, "env": env})
        assert answer.status_code == 400, answer.text
        said.append(answer.text)
    objects = "workflows,configmaps,secrets,events"
    written = {
        "answers": "".join(said),
        "log": log_of_the_service(cluster),
        "objects": cluster.kubectl("get", objects, "-n", cluster.jobs, "-o", "json"),
        "records": records(cluster),
    }
    assert [where for where, text in written.items() if seed in text] == []


def label(job_id: str) -> str:
    return f"opsjob.io/job-id={job_id}"


def records(cluster: Cluster) -> str:
    """The store's files as they lie on the disk, journal included."""
    # A journal may go between its being listed and read.
    every_file = "find /var/lib/opsjobs -type f -exec cat {} + || true"
    command = ["docker", "exec", cluster.facts["containers"]["control-plane"], "sh", "-c", every_file]
    found = subprocess.run(command, capture_output=True, check=True).stdout.decode(errors="replace")
    assert "SQLite format 3" in found
    return found

"""Contract, Requests and Answers: what the live service takes, refuses and says. Dry runs, so that nothing runs."""

import json
import threading
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.live import CLUSTER_ID, SLEEPER, Api, Cluster, inputs, wait_for

JOBS = "/api/v1/opsjobs"


def dry(api: Api, **body: Any) -> httpx.Response:
    return api.client.post(JOBS, params={"dryRun": "true"}, json={"type": "addon", "name": "dry", **body})


def message(answer: httpx.Response, status: int = 400) -> str:
    """The sentence of a problem, whose form is checked on the way."""
    body = answer.json()
    assert (answer.status_code, body["status"]) == (status, status), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["errorMessage"] == body["detail"]
    assert body["errorCode"]
    return str(body["errorMessage"])


@pytest.fixture
def template(addon: Callable[..., str]) -> str:
    return addon("true")


def test_a_dry_run_answers_the_plan_and_creates_nothing(api: Api, template: str, workload_nodes: list[str]) -> None:
    (out, there), name = workload_nodes, f"dry {template}"
    answer = dry(api, name=name, inputs=inputs(template, nodes=workload_nodes), excludedNodes=[out, "no-such-node"])
    plan = answer.json()["plan"]
    assert [node["name"] for node in plan["nodes"]] == [there]
    assert [(node["name"], "excludedNodes" in node["reason"]) for node in plan["excluded"]] == [(out, True)]
    made = api.client.get(JOBS, params={"jobName": name, "includeDeleted": "true"}).json()
    assert made["totalCount"] == 0


def test_cluster_means_every_node_and_another_cluster_is_refused(cluster: Cluster, api: Api, template: str) -> None:
    def of(value: str) -> list[dict[str, str]]:
        return [{"name": "addon.template", "value": template}, {"name": "cluster", "value": value}]

    # Whatever other tests have cordoned right now.
    plan = dry(api, inputs=of(CLUSTER_ID), isTolerateAll=True).json()["plan"]
    assert {node["name"] for node in plan["nodes"]} >= set(cluster.nodes())
    assert CLUSTER_ID in message(dry(api, inputs=of("another")))


def test_unknown_names_are_all_named_at_once(api: Api) -> None:
    wrong = [
        {"name": "addon.template", "value": "no-template"},
        {"name": "node.template", "value": "no-list"},
        {"name": "node", "value": "no-node"},
        {"name": "workspace", "value": "no-workspace"},
        {"name": "workload", "value": "no-workload"},
    ]
    answer = dry(api, inputs=wrong)
    text = message(answer)
    assert all(item["value"] in text for item in wrong)
    assert {fault["path"] for fault in answer.json()["errors"]} == {f"inputs[{index}].value" for index in range(5)}


def test_no_node_left_says_per_node_why(api: Api, template: str, workload_nodes: list[str]) -> None:
    text = message(dry(api, inputs=inputs(template, nodes=workload_nodes), excludedNodes=workload_nodes))
    assert all(f"node {node} is in excludedNodes" in text for node in workload_nodes)


def test_a_workload_narrows_to_the_nodes_its_pods_run_on(
    cluster: Cluster, api: Api, template: str, workload_nodes: list[str]
) -> None:
    """A Deployment in a workspace's namespace, on one node."""
    workspace, (node, another) = f"e2e-{uuid.uuid4().hex[:6]}", workload_nodes
    labels = {"app": "sleeper"}
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": workspace, "labels": {"opsjob.io/workspace": workspace}},
        },
    )
    cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "sleeper", "namespace": workspace},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "nodeName": node,
                        "terminationGracePeriodSeconds": 0,
                        "containers": [SLEEPER],
                    },
                },
            },
        }
    )
    try:
        cluster.kubectl("wait", "deployment/sleeper", "-n", workspace, "--for=condition=Available", "--timeout=300s")
        of_workload = [{"name": "addon.template", "value": template}, {"name": "workload", "value": "sleeper"}]
        plan = dry(api, inputs=of_workload).json()["plan"]
        assert [planned["name"] for planned in plan["nodes"]] == [node]
        other = [*of_workload, {"name": "node", "value": another}]
        assert "runs no pod of workload 'sleeper'" in message(dry(api, inputs=other))
    finally:
        cluster.kubectl("delete", "namespace", workspace, "--wait=false")


def test_a_body_over_one_mebibyte_is_413(api: Api) -> None:
    answer = api.client.post(JOBS, content=b'{"name": "' + b"x" * 1024 * 1024 + b'"}')
    message(answer, 413)


def test_the_answer_to_a_post_names_where_the_job_is(api: Api, template: str, node: str) -> None:
    body = {"type": "addon", "name": "located", "inputs": inputs(template, nodes=[node])}
    answer = api.client.post(JOBS, json=body)
    assert list(answer.json()) == ["jobId"]
    api.submitted.append(answer.json()["jobId"])
    assert answer.headers["location"] == f"{JOBS}/{answer.json()['jobId']}"
    assert api.client.get(answer.headers["location"]).json()["jobName"] == "located"
    api.finished(answer.json()["jobId"])


def test_one_idempotency_key_is_one_job_however_often_and_fast_it_is_sent(api: Api, template: str, node: str) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"type": "addon", "name": "once", "inputs": inputs(template, nodes=[node])}
    answers: list[httpx.Response] = []

    def send() -> None:
        answers.append(api.client.post(JOBS, json=body, headers=headers))

    senders = [threading.Thread(target=send) for _ in range(6)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    ids = {answer.json()["jobId"] for answer in answers if answer.status_code == 200}
    assert len(ids) == 1
    api.submitted += ids
    assert all(answer.status_code in (200, 409) for answer in answers)
    again = api.client.post(JOBS, json=body, headers=headers)
    assert again.json()["jobId"] in ids
    message(api.client.post(JOBS, json={**body, "name": "other"}, headers=headers), 422)
    message(api.client.post(JOBS, json=body, headers={"Idempotency-Key": "x" * 256}), 400)
    api.finished(ids.pop())


def test_a_refused_request_gives_its_key_back(api: Api, template: str, node: str) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"type": "addon", "name": "key", "inputs": inputs("not-yet", nodes=[node])}
    message(api.client.post(JOBS, json=body, headers=headers), 400)
    body["inputs"] = inputs(template, nodes=[node])
    answer = api.client.post(JOBS, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    api.submitted.append(answer.json()["jobId"])
    api.finished(answer.json()["jobId"])


def test_who_has_no_right_sees_nothing_and_creates_nothing(
    cluster: Cluster, api: Api, template: str, node: str
) -> None:
    cluster.kubectl("create", "serviceaccount", "e2e-nobody", "-n", cluster.facts["namespace"], check=False)
    job_id = api.create(name="secret", inputs=inputs(template, nodes=[node]))
    headers = {"Authorization": f"Bearer {cluster.token('e2e-nobody')}"}
    with httpx.Client(base_url=cluster.facts["url"], headers=headers, timeout=30, verify=cluster.trust) as nobody:
        assert nobody.get(JOBS).json() == {"totalCount": 0, "items": []}
        for method, path in (("GET", job_id), ("POST", f"{job_id}/stop"), ("DELETE", job_id)):
            message(nobody.request(method, f"{JOBS}/{path}"), 404)
        body = {"type": "addon", "name": "no", "inputs": inputs(template, nodes=[node])}
        assert "may create no jobs" in message(nobody.post(JOBS, json=body), 403)
    assert api.finished(job_id)["phase"] == "Succeeded"


def test_a_token_for_another_audience_is_401(cluster: Cluster, admin: str) -> None:
    for token in ("rubbish", cluster.token(admin, audience="another")):
        url, headers = f"{cluster.facts['url']}{JOBS}", {"Authorization": f"Bearer {token}"}
        answer = httpx.get(url, headers=headers, timeout=30, verify=cluster.trust)
        message(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_schema_shows_the_documents_examples(api: Api) -> None:
    schema = api.client.get("/openapi.json").json()
    content = schema["paths"][JOBS]["post"]["requestBody"]["content"]["application/json"]
    assert set(content["examples"]) == {"addon", "preflight", "dumplog", "reboot", "exportimage"}
    assert json.dumps(schema)


def test_prometheus_reads_metrics_with_the_token_of_its_own_account(cluster: Cluster) -> None:
    home, account = cluster.facts["namespace"], "e2e-prometheus"
    cluster.kubectl("create", "serviceaccount", account, "-n", home, check=False)
    binding = ("clusterrolebinding", account)
    role = ("--clusterrole=opsjobs-metrics", f"--serviceaccount={home}:{account}")
    cluster.kubectl("create", *binding, *role, check=False)
    token = cluster.kubectl("create", "token", account, "-n", home).strip()
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx.Client(
            base_url=cluster.facts["url"], headers=headers, timeout=30, verify=cluster.trust
        ) as prometheus:
            # What is asked of Kubernetes for the first time may be asked a moment before it knows the binding.
            shown = wait_for("metrics", lambda: _shown(prometheus))
            message(prometheus.get(JOBS), 401)
        assert "opsjobs_http_request_seconds_count" in shown
        assert "opsjobs_token_expiry_timestamp_seconds" in shown
        assert 'opsjobs_kubernetes_requests_total{code="200",verb="GET"}' in shown
    finally:
        cluster.kubectl("delete", *binding, "--ignore-not-found")


def _shown(prometheus: httpx.Client) -> str:
    answer = prometheus.get("/metrics")
    return answer.text if answer.status_code == httpx.codes.OK else ""

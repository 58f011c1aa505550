"""The output of jobs as a way to what is not one's own.

There was none before: steps' logs were for who had rights in Argo. Now the service reads them with its own right, for
whoever may see the job; and its streams last, which its requests did not.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.e2e.follower import Follower
from tests.e2e.live import Api, Cluster, inputs, wait_for
from tests.e2e.preflight_jobs import check

GATE = "/run/attack-output-go"
#: As the chart has it.
STREAMS_OF_A_CALLER = 20


@pytest.fixture
def account(cluster: Cluster) -> Iterator[str]:
    """A caller who may see everything."""
    name, namespace = f"attack-{secrets.token_hex(3)}", cluster.facts["namespace"]
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "opsjobs-viewer"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}, binding
    )
    yield name
    cluster.kubectl("delete", "clusterrolebinding", name, "--ignore-not-found")
    cluster.kubectl("delete", "serviceaccount", name, "-n", namespace, "--ignore-not-found")


def as_caller(cluster: Cluster, account: str) -> Api:
    headers = {"Authorization": f"Bearer {cluster.token(account)}"}
    return Api(httpx.Client(base_url=cluster.facts["url"], headers=headers, timeout=60, verify=cluster.trust))


def test_who_loses_the_right_to_a_job_loses_its_output_and_nobody_takes_all_streams(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str, account: str
) -> None:
    cluster.on_host(node, "rm", "-f", GATE)
    job_id = api.create(name="watched", inputs=inputs(addon(f"until test -e {GATE}; do sleep 0.2; done"), nodes=[node]))
    path = f"/api/v1/opsjobs/{job_id}/log?follow=true"
    viewer = as_caller(cluster, account)
    wait_for("the right to see it", lambda: viewer.client.get(f"/api/v1/opsjobs/{job_id}").status_code == 200)

    # One caller has as many streams as may be; requests and other callers have theirs.
    with ExitStack() as many:
        for _ in range(STREAMS_OF_A_CALLER):
            assert many.enter_context(viewer.client.stream("GET", path)).status_code == 200
        beyond = viewer.client.get(path)
        assert (beyond.status_code, "Retry-After" in beyond.headers) == (429, True)
        assert viewer.client.get(f"/api/v1/opsjobs/{job_id}").status_code == 200
        with api.client.stream("GET", path) as other:
            assert other.status_code == 200

    follower = Follower(viewer, path)
    wait_for("the stream to begin", lambda: follower.connections)
    cluster.kubectl("delete", "clusterrolebinding", account)
    wait_for("the stream to end with the right", lambda: follower.refused)
    assert follower.refused == 404
    cluster.on_host(node, "touch", GATE)
    assert api.finished(job_id)["phase"] == "Succeeded"


#: However a value of the environment is written, by accident; who wants to show it can always turn it around.
PRINTS = r"""
echo "$API_TOKEN"; echo "a${API_TOKEN}b$API_TOKEN"; printf '%s\n' "$API_TOKEN" >&2
head -c 16370 /dev/zero | tr '\0' x; echo "$API_TOKEN tail"
head -c 32760 /dev/zero | tr '\0' y; echo "$API_TOKEN tail"
for letter in $(printf %s "$API_TOKEN" | fold -w1); do printf %s "$letter"; sleep 0.02; done; echo
printf '%s\033]0;%s\007\n' '<script>' "$API_TOKEN"
printf '\nevent: line\ndata: {"text": "forged"}\n\n'
echo "$CERTIFICATE"
"""


def test_a_secret_of_the_environment_is_in_no_output_and_no_line_is_more_than_a_line(
    cluster: Cluster, api: Api, node: str
) -> None:
    token = secrets.token_hex(16)
    lines = [secrets.token_hex(24) for _ in range(3)]
    env = {"API_TOKEN": token, "CERTIFICATE": "\n".join(["-----BEGIN PRIVATE KEY-----", *lines])}
    job_id = check(api, cluster.image, PRINTS, [node], env=env)
    follower = Follower(api, f"/api/v1/opsjobs/{job_id}/log?follow=true")
    assert api.finished(job_id)["phase"] == "Succeeded"
    follower.until_ended()
    plain = api.client.get(f"/api/v1/opsjobs/{job_id}/log")
    assert "***" in plain.text
    assert (plain.headers["Content-Type"], plain.headers["X-Content-Type-Options"]) == (
        "text/plain; charset=utf-8",
        "nosniff",
    )
    for shown in (plain.text, "\n".join(follower.texts)):
        for hidden in (token, *lines):
            # Nor the beginning of it, where a line was cut.
            assert hidden[:8] not in shown
    # What looks like an event is the text of one.
    assert "forged" not in follower.texts
    assert 'data: {"text": "forged"}' in follower.texts
    assert max(map(len, plain.text.encode().split(b"\n"))) <= 16_384

"""A right in one workspace, and everything it was used to reach beyond that.

Before: who had a RoleBinding in one namespace made a pod with `nodeName: control-plane` there, and got a plan to reboot
the control plane through `workload`; likewise with an addon and isTolerateAll, and any node without a workspace's
label. And who had a namespace of their own that comes earlier in the alphabet labelled it with another's workspace:
from then on rights to that workspace's jobs were asked in theirs, so they saw, stopped and deleted them, and submitted
new ones.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.e2e.live import Cluster, wait_for
from tests.kube.conftest import namespace, pod

JOBS = "/api/v1/opsjobs"
LABEL = "opsjob.io/workspace"
RBAC = "rbac.authorization.k8s.io"
FIELDS: dict[str, dict[str, Any]] = {
    "reboot": {},
    "addon": {"isTolerateAll": True},
    "preflight": {"isTolerateAll": True, "image": "busybox:opsjobs", "entryPoint": "dHJ1ZQ=="},
}
ADDON = "disable-os-upgrade"


@dataclass(frozen=True)
class Attacker:
    cluster: Cluster
    space: str
    token: str

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        url, trust = self.cluster.facts["url"] + path, self.cluster.trust
        return httpx.request(method, url, headers=headers, timeout=60, verify=trust, **given)

    def submit(self, kind: str, **inputs: str) -> httpx.Response:
        """A dry run: what is in its plan would be worked on."""
        if kind == "addon":
            inputs["addon.template"] = ADDON
        named = [{"name": name, "value": value} for name, value in inputs.items()]
        return self.ask(
            "POST",
            f"{JOBS}?dryRun=true",
            json={"name": "attack", "type": kind, "inputs": named, **FIELDS.get(kind, {})},
        )


def bound(space: str, account: str, role: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{account}-{role}", "namespace": space},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": space}],
    }


def account(space: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": space}}


@pytest.fixture
def operator(cluster: Cluster) -> Iterator[Attacker]:
    """Operator and admin of one workspace, and of nothing else."""
    space = f"attack-w-{secrets.token_hex(4)}"
    cluster.apply(namespace(space, **{LABEL: space}), account(space, "operator"))
    cluster.apply(bound(space, "operator", "opsjobs-operator"), bound(space, "operator", "view"))
    yield Attacker(cluster, space, cluster.token("operator", space))
    cluster.kubectl("delete", "namespace", space, "--wait=false")


def control_plane(cluster: Cluster) -> str:
    role = "node-role.kubernetes.io/control-plane"
    return str(cluster.items("nodes", "-l", role)[0]["metadata"]["name"])


def test_a_workspaces_operator_reaches_no_node_but_its_own(
    cluster: Cluster, operator: Attacker, workload_nodes: list[str]
) -> None:
    """By a pod of theirs that names any node it likes: it need not even start."""
    master, unlabelled = control_plane(cluster), workload_nodes[0]
    for name, node in (("on-master", master), ("on-worker", unlabelled)):
        cluster.apply(pod(name, operator.space, node))
    # Only that the service knows the workspace: until then it knows of no right either.
    wait_for("the workspace", lambda: operator.submit("reboot", workload="on-master").status_code != 403)
    for kind in FIELDS:
        for name, node in (("on-master", master), ("on-worker", unlabelled)):
            answer = operator.submit(kind, workload=name)
            assert answer.status_code == 400, answer.text
            assert f"node {node} is not labelled {LABEL}={operator.space}" in answer.text
            assert operator.submit(kind, workload=name, node=node).status_code == 400
            assert operator.submit(kind, node=node).status_code == 403
            assert operator.submit(kind, cluster="local").status_code == 403
    assert "is a control-plane node" in operator.submit("reboot", workload="on-master").text


def test_a_second_namespace_with_its_label_takes_no_workspace_over(cluster: Cluster) -> None:
    suffix = secrets.token_hex(4)
    home, thief = f"attack-y-{suffix}", f"attack-a-{suffix}"
    cluster.apply(namespace(home, **{LABEL: home}), account(home, "owner"), namespace(thief), account(thief, "thief"))
    for space, name in ((home, "owner"), (thief, "thief")):
        cluster.apply(*(bound(space, name, role) for role in ("opsjobs-admin", "view")))
    sleeper = pod("sleeper", home, "")
    sleeper["spec"]["nodeSelector"] = {"no": "node"}
    cluster.apply(sleeper)
    owner = Attacker(cluster, home, cluster.token("owner", home))
    other = Attacker(cluster, thief, cluster.token("thief", thief))
    try:
        wait_for("the workspace", lambda: owner.submit("dumplog", workload="sleeper").status_code == 200)
        body = {"name": f"attack {suffix}", "type": "dumplog", "inputs": [{"name": "workload", "value": "sleeper"}]}
        job = owner.ask("POST", JOBS, json=body).json()["jobId"]

        cluster.kubectl("label", "namespace", thief, f"{LABEL}={home}")
        inputs = {"workspace": home, "workload": "sleeper"}
        refused = wait_for(
            "the second namespace to be seen",
            lambda: _refused(owner.submit("dumplog", **inputs)),
        )
        assert refused
        assert "several namespaces" in refused.text
        assert other.submit("dumplog", **inputs).status_code in (400, 403)
        assert other.submit("reboot", workspace=home).status_code in (400, 403)

        assert other.ask("GET", f"{JOBS}/{job}").status_code == 404
        assert other.ask("POST", f"{JOBS}/{job}/stop").status_code == 404
        assert other.ask("DELETE", f"{JOBS}/{job}").status_code == 404
        assert other.ask("GET", JOBS).json()["totalCount"] == 0
        # By the record all goes on for those who had a right there before.
        cluster.apply(account(home, "colleague"), bound(home, "colleague", "opsjobs-admin"))
        colleague = Attacker(cluster, home, cluster.token("colleague", home))
        assert [item["jobId"] for item in colleague.ask("GET", JOBS).json()["items"]] == [job]
        assert colleague.ask("GET", f"{JOBS}/{job}").status_code == 200
        assert colleague.ask("POST", f"{JOBS}/{job}/stop").status_code == 200
        assert colleague.ask("DELETE", f"{JOBS}/{job}").status_code == 200
    finally:
        cluster.kubectl("delete", "namespace", home, thief, "--wait=false")


def _refused(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 400 else None

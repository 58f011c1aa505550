"""Whether the cluster is frozen is the service's to say, after it has asked who may (contract: freeze)."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.attacks.impersonation import Thief, User, admitted, refused
from tests.e2e.live import Api, Cluster
from workflow_templates.protocol.freeze import NAME, Freeze

ONLY_THE_SERVICE = "only the OpsJobs service"
EDITORS = "opsjob-e2e-editors"


def forged() -> dict[str, Any]:
    data = Freeze("the administrators", "maintenance", "2026-01-01T00:00:00.000Z").data
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": data}


@pytest.fixture(scope="module")
def folder(cluster: Cluster) -> str:
    return f"/api/v1/namespaces/{cluster.jobs}/configmaps"


@pytest.fixture(scope="module")
def editor(cluster: Cluster, thief: Thief) -> Iterator[User]:
    """Who may write ConfigMaps in the namespace of the jobs, as Kubernetes' `edit` may."""
    named = {"name": EDITORS, "namespace": cluster.jobs}
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "update", "patch", "delete"]}
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": EDITORS}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": EDITORS}
    kinds = ({"kind": "Role", "rules": [rule]}, {"kind": "RoleBinding", "roleRef": role, "subjects": [group]})
    cluster.apply(
        *({"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": named, **kind} for kind in kinds),
    )
    yield thief.as_user("editor", EDITORS, "system:authenticated")
    cluster.kubectl("delete", "role,rolebinding", EDITORS, "-n", cluster.jobs)


@pytest.mark.parametrize("kind", ["addon", "reboot", "preflight", "check", "dumplog", "exportimage"])
def test_the_token_of_a_step_neither_freezes_nor_unfreezes(
    cluster: Cluster, thief: Thief, folder: str, kind: str
) -> None:
    step = thief.with_token_of(f"opsjob-{kind}", cluster.jobs, pod="theft-a1b2c3-node-1")
    answers = (
        step.create(folder, forged()),
        step.patch(f"{folder}/{NAME}", {"data": {"reason": "none"}}),
        step.delete(f"{folder}/{NAME}"),
    )
    assert [answer.status_code for answer in answers] == [403, 403, 403]


def test_nor_does_who_may_write_config_maps_there(cluster: Cluster, editor: User, folder: str) -> None:
    assert refused(_with_its_right(lambda: editor.create(folder, forged())), ONLY_THE_SERVICE)
    other = {**forged(), "metadata": {"name": "another.opsjob.io"}}
    assert admitted(editor.create(folder, other))
    assert cluster.get("configmap", NAME, "-n", cluster.jobs) is None


def test_the_service_and_who_repairs_the_cluster_do(cluster: Cluster, thief: Thief, folder: str) -> None:
    service = thief.with_token_of("opsjobs", cluster.facts["namespace"])
    for one in (service, thief.as_administrator()):
        assert admitted(one.create(folder, forged()))


def test_without_the_right_the_service_does_not(cluster: Cluster, api: Api) -> None:
    """Who may do everything with the jobs of a workspace may stop no other team's."""
    token = {"Authorization": f"Bearer {cluster.token('default')}"}
    answers = (
        api.client.put("/api/v1/freeze", json={"reason": "mine"}, headers=token),
        api.client.delete("/api/v1/freeze", headers=token),
    )
    assert [answer.status_code for answer in answers] == [403, 403]
    assert api.client.get("/api/v1/freeze", headers=token).json()["frozen"] is False


def _with_its_right(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """A new right takes a moment to be known."""
    for _ in range(100):
        answer = ask()
        if "ValidatingAdmissionPolicy" in answer.text or answer.status_code != 403:
            return answer
    return answer

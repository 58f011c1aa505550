"""What a stolen token is good for: the service's, a step's, and one with rights in the jobs' namespace."""

import copy
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from service.domain.job import Job, JobType
from service.kube import manifest
from service.kube.client import KubeSettings
from tests.e2e.apiserver import Apiserver, refusal
from tests.e2e.live import Cluster
from tests.e2e.step_pods import pod

ARGO = "/apis/argoproj.io/v1alpha1/namespaces"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def service(cluster: Cluster) -> Iterator[Apiserver]:
    """A stolen token of the facade."""
    thief = Apiserver(cluster, "opsjobs", cluster.facts["namespace"])
    yield thief
    thief.close()


@pytest.fixture(scope="module")
def editor(cluster: Cluster) -> Iterator[Apiserver]:
    """Somebody whom Kubernetes' own role `edit` was bound to in the jobs' namespace, and Argo's rights beside it."""
    name = f"e2e-editor-{secrets.token_hex(3)}"
    cluster.kubectl("create", "serviceaccount", name, "-n", cluster.jobs)
    group = "rbac.authorization.k8s.io"
    everything = ["get", "list", "create", "update", "patch", "delete"]
    rules = [
        {"apiGroups": ["argoproj.io"], "resources": ["workflows", "workflowtemplates"], "verbs": everything},
    ]
    metadata = {"name": name, "namespace": cluster.jobs}
    cluster.apply(
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": cluster.jobs}],
        },
    )
    account = f"--serviceaccount={cluster.jobs}:{name}"
    cluster.kubectl("create", "rolebinding", f"{name}-edit", "--clusterrole=edit", account, "-n", cluster.jobs)
    somebody = Apiserver(cluster, name, cluster.jobs)
    yield somebody
    somebody.close()
    cluster.kubectl("delete", "rolebinding", f"{name}-edit", "-n", cluster.jobs)
    for kind in ("rolebinding", "role", "serviceaccount"):
        cluster.kubectl("delete", kind, name, "-n", cluster.jobs)


@pytest.fixture(scope="module")
def templates(cluster: Cluster) -> dict[str, str]:
    """Job type → the WorkflowTemplate of the installed release, as the service knows it."""
    installed = cluster.items("workflowtemplates", "-n", cluster.jobs)
    return {item["metadata"]["labels"]["opsjob.io/type"]: item["metadata"]["name"] for item in installed}


def workflow(cluster: Cluster, template: str, kind: str = "addon") -> dict[str, Any]:
    """What the service creates, made by its own code."""
    job = Job(
        job_id=f"e2e-{secrets.token_hex(3)}",
        job_name="admission",
        type=JobType(kind),
        cluster_id="local",
        user_id="u-1",
        user_name="alice",
        created=datetime.now(UTC),
        timeout_second=60,
        work={"parameters": {"nodes": "[]"}},
        template=template,
    )
    return manifest.workflow(job, KubeSettings(jobs_namespace=cluster.jobs))


def test_the_service_may_create_what_it_creates(
    cluster: Cluster, service: Apiserver, templates: dict[str, str]
) -> None:
    assert templates
    for kind, template in templates.items():
        answer = service.create(f"{ARGO}/{cluster.jobs}/workflows", workflow(cluster, template, kind))
        assert answer.status_code == 201, answer.text


def spec(**fields: Any) -> Change:
    return lambda made: made["spec"].update(fields)


PRIVILEGED = {"name": "main", "container": {"image": "busybox", "securityContext": {"privileged": True}}}
SPOILED: dict[str, Change] = {
    "templates of its own": spec(templates=[PRIVILEGED], entrypoint="main"),
    "no template at all": lambda made: made["spec"].pop("workflowTemplateRef"),
    "somebody else's template": spec(workflowTemplateRef={"name": "evil"}),
    "a name that only begins like ours": spec(workflowTemplateRef={"name": "opsjob-addon-00000000-evil"}),
    "a cluster-wide template": spec(workflowTemplateRef={"name": "opsjob-addon-00000000", "clusterScope": True}),
    "another entrypoint": spec(entrypoint="evaluate"),
    "a patch of the pods": spec(podSpecPatch='{"hostPID": true}'),
    "another account": spec(serviceAccountName="opsjob-reboot"),
    "volumes": spec(volumes=[{"name": "host", "hostPath": {"path": "/"}}]),
    "hooks": spec(hooks={"running": {"template": "main", "expression": "true"}}),
    "another end": spec(onExit="evaluate"),
    "metadata of pods": spec(podMetadata={"labels": {"opsjob.io/job-id": "other"}}),
    "host network": spec(hostNetwork=True),
    "a parameter read from a Secret": spec(
        arguments={"parameters": [{"name": "nodes", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "y"}}}]}
    ),
    "artifacts": spec(arguments={"artifacts": [{"name": "script", "raw": {"data": "echo"}}]}),
    "a status": lambda made: made.update(status={"storedWorkflowTemplateSpec": {"templates": [PRIVILEGED]}}),
}


@pytest.mark.parametrize("change", SPOILED.values(), ids=SPOILED)
def test_the_service_may_create_nothing_else(
    cluster: Cluster, service: Apiserver, templates: dict[str, str], change: Change
) -> None:
    spoiled = copy.deepcopy(workflow(cluster, templates["addon"]))
    change(spoiled)
    assert "ValidatingAdmissionPolicy" in refusal(service.create(f"{ARGO}/{cluster.jobs}/workflows", spoiled))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/v1/namespaces/{jobs}/pods", "Pod"),
        ("/api/v1/namespaces/{own}/pods", "Pod"),
        ("/api/v1/namespaces/{own}/secrets", "Secret"),
        ("/api/v1/namespaces/{jobs}/serviceaccounts", "ServiceAccount"),
        ("/api/v1/namespaces/{jobs}/serviceaccounts/opsjob-addon/token", "TokenRequest"),
        ("/apis/apps/v1/namespaces/{jobs}/daemonsets", "DaemonSet"),
        ("/apis/batch/v1/namespaces/{jobs}/jobs", "Job"),
        (ARGO + "/{jobs}/workflowtemplates", "WorkflowTemplate"),
        (ARGO + "/{jobs}/cronworkflows", "CronWorkflow"),
        ("/apis/argoproj.io/v1alpha1/clusterworkflowtemplates", "ClusterWorkflowTemplate"),
        (ARGO + "/default/workflows", "Workflow"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "ClusterRoleBinding"),
        ("/apis/opsjob.io/v1alpha1/addontemplates", "AddonTemplate"),
    ],
)
def test_the_service_has_no_right_to_anything_that_starts_pods(
    cluster: Cluster, service: Apiserver, path: str, kind: str
) -> None:
    place = path.format(jobs=cluster.jobs, own=cluster.facts["namespace"])
    assert "cannot create" in refusal(service.create(place, {"kind": kind, "metadata": {"name": "evil"}}))


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/secrets",
        "/api/v1/namespaces/{own}/secrets",
        "/api/v1/namespaces/kube-system/secrets",
        "/api/v1/namespaces/{jobs}/secrets",
        "/api/v1/namespaces/{jobs}/secrets/opsjobs-store",
        "/api/v1/configmaps",
    ],
)
def test_the_service_reads_no_secret_of_others(cluster: Cluster, service: Apiserver, path: str) -> None:
    """It lists those of the checks' namespace (docs/security.md: A stolen token), and no others."""
    assert service.get(path.format(own=cluster.facts["namespace"], jobs=cluster.jobs)).status_code == 403


def test_the_service_changes_no_secret_of_others(cluster: Cluster, service: Apiserver) -> None:
    path = f"/api/v1/namespaces/{cluster.jobs}/secrets/opsjobs-store"
    assert "cannot patch" in refusal(service.patch(path, {"metadata": {"annotations": {"a": "b"}}}))


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("kubernetes.io/service-account-token", {"opsjob.io/job-id": "thief"}),
        ("Opaque", {}),
        ("Opaque", {"opsjob.io/job-id": "another"}),
    ],
    ids=["a token", "no label", "another job's"],
)
def test_the_service_has_no_secret_filled_with_a_token(service: Apiserver, kind: str, labels: dict[str, str]) -> None:
    notes = {"kubernetes.io/service-account.name": "opsjob-reboot"}
    metadata = {"name": "thief", "labels": labels, "annotations": notes}
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind}
    assert "ValidatingAdmissionPolicy" in refusal(service.create("/api/v1/namespaces/opsjobs-checks/secrets", made))


@pytest.fixture(scope="module")
def waiting(cluster: Cluster, templates: dict[str, str]) -> Iterator[str]:
    """The path of a Workflow that Argo leaves alone."""
    made = workflow(cluster, templates["addon"])
    del made["metadata"]["finalizers"]
    # Not ours to the service, which would take it for one whose record is lost.
    made["metadata"]["labels"] = {"workflows.argoproj.io/controller-instanceid": "nobody"}
    cluster.apply(made)
    yield f"{ARGO}/{cluster.jobs}/workflows/{made['metadata']['name']}"
    cluster.kubectl("delete", "workflow", made["metadata"]["name"], "-n", cluster.jobs)


def test_a_workflow_can_be_stopped(service: Apiserver, waiting: str) -> None:
    answer = service.patch(waiting, {"spec": {"suspend": None, "shutdown": "Stop"}})
    assert answer.status_code == 200, answer.text


CHANGED: dict[str, dict[str, Any]] = {
    "templates": {"spec": {"templates": [PRIVILEGED]}},
    "arguments": {"spec": {"arguments": {"parameters": [{"name": "nodes", "value": '["node-1"]'}]}}},
    "the template": {"spec": {"workflowTemplateRef": {"name": "opsjob-addon-00000000"}}},
    "a field less": {"spec": {"activeDeadlineSeconds": None}},
    "the spec that Argo stored": {"status": {"storedWorkflowTemplateSpec": {"templates": [PRIVILEGED]}}},
}


@pytest.mark.parametrize("patch", CHANGED.values(), ids=CHANGED)
@pytest.mark.parametrize("who", ["service", "editor"])
def test_what_a_workflow_runs_cannot_be_changed(
    request: pytest.FixtureRequest, who: str, waiting: str, patch: dict[str, Any]
) -> None:
    thief: Apiserver = request.getfixturevalue(who)
    assert "ValidatingAdmissionPolicy" in refusal(thief.patch(waiting, patch))


def test_who_may_edit_the_namespace_still_starts_nothing(
    cluster: Cluster, editor: Apiserver, templates: dict[str, str]
) -> None:
    made = workflow(cluster, templates["addon"])
    assert "only the OpsJobs service" in refusal(editor.create(f"{ARGO}/{cluster.jobs}/workflows", made))
    own = pod(cluster, "addon/node")
    assert "only Argo's controller" in refusal(editor.create(f"/api/v1/namespaces/{cluster.jobs}/pods", own))


def test_who_may_edit_the_namespace_changes_no_template(
    cluster: Cluster, editor: Apiserver, templates: dict[str, str]
) -> None:
    place = f"{ARGO}/{cluster.jobs}/workflowtemplates"
    changed = editor.patch(f"{place}/{templates['addon']}", {"spec": {"entrypoint": "evaluate"}})
    assert "workflowtemplates.opsjob.io" in refusal(changed)
    metadata = {"name": "opsjob-addon-00000000", "namespace": cluster.jobs}
    own = {"apiVersion": "argoproj.io/v1alpha1", "kind": "WorkflowTemplate", "metadata": metadata}
    made = editor.create(place, {**own, "spec": {"templates": [PRIVILEGED], "entrypoint": "main"}})
    assert "workflowtemplates.opsjob.io" in refusal(made)


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "gone", "uid": "0-0"}]}},
        {"metadata": {"finalizers": ["example.com/never"]}},
        {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}},
        {"metadata": {"annotations": {"example.com/other": "x"}}},
        {"spec": {"taints": [{"key": "evil", "effect": "NoExecute"}]}},
        {"spec": {"providerID": "evil"}},
    ],
    ids=["owner", "finalizer", "label", "annotation", "taint", "field"],
)
@pytest.mark.parametrize("account", ["opsjobs", "opsjob-addon"])
def test_of_a_node_only_the_cordon_and_our_marks_change(
    cluster: Cluster, account: str, patch: dict[str, Any], workload_nodes: list[str]
) -> None:
    thief = Apiserver(cluster, account, cluster.jobs if account.startswith("opsjob-") else cluster.facts["namespace"])
    node = f"/api/v1/nodes/{workload_nodes[0]}"
    assert "ValidatingAdmissionPolicy" in refusal(thief.patch(node, patch))
    thief.close()


def test_of_a_pod_the_service_sets_a_deadline_and_nobody_what_it_runs(
    cluster: Cluster, service: Apiserver, editor: Apiserver
) -> None:
    name = f"e2e-pod-{secrets.token_hex(3)}"
    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": cluster.jobs}}
    container = {"name": "main", "image": "nowhere.invalid/none:1"}
    # A scheduler that there is not never has it run.
    cluster.apply({**bare, "spec": {"schedulerName": "nobody", "containers": [container]}})
    path = f"/api/v1/namespaces/{cluster.jobs}/pods/{name}"
    try:
        deadline = {"spec": {"activeDeadlineSeconds": 1}}
        allowed = service.patch(path, deadline)
        assert allowed.status_code == 200, allowed.text
        assert "set a deadline" in refusal(editor.patch(path, deadline))
        (whole,) = cluster.get("pod", name, "-n", cluster.jobs)["spec"]["containers"]
        other = {"spec": {"containers": [{**whole, "image": "nowhere.invalid/other:1"}]}}
        for who in (service, editor):
            assert "what the pod of a step runs may not be changed" in refusal(who.patch(path, other))
        for entry in ("exec", "attach"):
            assert "only Argo's controller enters" in refusal(editor.enter(f"{path}/{entry}"))
    finally:
        cluster.kubectl("delete", "pod", name, "-n", cluster.jobs, "--force", "--grace-period=0", "--ignore-not-found")

"""Issue 16, row 1: what may be written to a pod that exists already, with whose token.

Before: a check printed the token of opsjob-preflight, which may patch pods and pods/status. With it the annotation
kill-cmd-main of another job's privileged pod was set and its container's end was forged: Argo's controller then ran the
command in it, as root on the host.
"""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks.impersonation import Thief, User, admitted, refused
from tests.e2e.live import Cluster
from workflow_templates.protocol import pod_reasons

KILL = "workflows.argoproj.io/kill-cmd-main"
#: A step's account as far as admission knows one, with more rights than any has: admission alone is to hold.
ACCOUNT = "opsjob-attacker"
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def step(cluster: Cluster, thief: Thief) -> Iterator[User]:
    """The stolen token of a step, of a job of the thief's."""
    name = f"e2e-attacker-{secrets.token_hex(3)}"
    metadata = {"name": name, "namespace": cluster.jobs}
    resources = ["pods", "pods/status", "pods/resize", "pods/ephemeralcontainers"]
    rules = [
        {"apiGroups": [""], "resources": resources, "verbs": ["patch", "update"]},
        {"apiGroups": [""], "resources": ["bindings", "pods/binding"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["pods/exec", "pods/attach", "pods/portforward"], "verbs": ["create", "get"]},
    ]
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": cluster.jobs}
    role = {"apiGroup": RBAC, "kind": "Role", "name": name}
    kind = {"apiVersion": f"{RBAC}/v1", "metadata": metadata}
    cluster.apply(
        {**kind, "kind": "Role", "rules": rules},
        {**kind, "kind": "RoleBinding", "roleRef": role, "subjects": [subject]},
    )
    yield thief.with_token_of(ACCOUNT, cluster.jobs, pod="theft-a1b2c3-node-1", node="node-1")
    cluster.kubectl("delete", "rolebinding,role", name, "-n", cluster.jobs)


@pytest.fixture(scope="module")
def service(cluster: Cluster, thief: Thief) -> User:
    """The stolen token of the service."""
    return thief.with_token_of("opsjobs", cluster.facts["namespace"])


@pytest.fixture(scope="module")
def victim(cluster: Cluster) -> Iterator[str]:
    """The path of a pod like a privileged step's; no scheduler takes it, so it never runs."""
    name = f"e2e-victim-{secrets.token_hex(3)}"
    metadata = {
        "name": name,
        "namespace": cluster.jobs,
        "labels": {"opsjob.io/job-id": name, "workflows.argoproj.io/completed": "false"},
        "annotations": {KILL: json.dumps(["true"]), "workflows.argoproj.io/node-name": name},
    }
    resources = {"requests": {"cpu": "10m"}, "limits": {"memory": "32Mi"}}
    container = {"name": "main", "image": "nowhere.invalid/none:1", "resources": resources}
    container["securityContext"] = {"privileged": True}
    spec = {"schedulerName": "nobody", "containers": [container], "automountServiceAccountToken": False}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    yield f"/api/v1/namespaces/{cluster.jobs}/pods/{name}"
    cluster.kubectl("delete", "pod", name, "-n", cluster.jobs, "--force", "--grace-period=0", "--ignore-not-found")


def annotations(**values: str | None) -> dict[str, Any]:
    return {"metadata": {"annotations": dict(values)}}


EVIL = json.dumps(["/bin/sh", "-c", "id > /etc/passwd"])
#: What makes Argo's controller run a command, or take a job for another → how it was written.
KEYS: dict[str, dict[str, Any]] = {
    "a kill command": annotations(**{KILL: EVIL}),
    "one for Argo's own container": annotations(**{"workflows.argoproj.io/kill-cmd-wait": EVIL}),
    "no kill command": annotations(**{KILL: None}),
    "another step's outputs": annotations(**{"workflows.argoproj.io/outputs": '{"result": "forged"}'}),
    "another step's place": annotations(**{"workflows.argoproj.io/node-name": "other"}),
    "another job's label": {"metadata": {"labels": {"opsjob.io/job-id": "theft-a1b2c3"}}},
    "another Workflow's label": {"metadata": {"labels": {"workflows.argoproj.io/workflow": "theft-a1b2c3"}}},
    "an end": {"metadata": {"labels": {"workflows.argoproj.io/completed": "true"}}},
    "a label less": {"metadata": {"labels": {"opsjob.io/job-id": None}}},
    "a mark of ours": annotations(**{"opsjob.io/given-up": "x"}),
}


@pytest.mark.parametrize("patch", KEYS.values(), ids=KEYS)
def test_nobody_tells_argo_what_to_run_in_anothers_pod(
    step: User, service: User, victim: str, patch: dict[str, Any]
) -> None:
    """A status can be written with other annotations as well."""
    for user in (step, service):
        for path in (victim, f"{victim}/status"):
            assert refused(user.patch(path, patch), "only Argo's controller changes")


def ended(name: str) -> dict[str, Any]:
    state = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    return {"name": name, "state": state, "ready": False, "restartCount": 0, "image": "", "imageID": ""}


FAILED = {"phase": "Failed", "reason": pod_reasons.NODE_LOST, "message": "its node is gone"}
#: A status that says more than the service has to say.
STATUSES: dict[str, dict[str, Any]] = {
    "a container that has ended": {"containerStatuses": [ended("main")]},
    "that, beside what may be said": {**FAILED, "containerStatuses": [ended("main")]},
    "an init container that has": {**FAILED, "initContainerStatuses": [ended("init")]},
    "success": {**FAILED, "phase": "Succeeded"},
    "a reason of one's own": {**FAILED, "reason": "Evicted"},
    "no reason": {"phase": "Failed", "message": "x"},
    "no message": {"phase": "Failed", "reason": pod_reasons.NODE_LOST},
    "an address": {**FAILED, "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]},
    "a condition": {**FAILED, "conditions": [{"type": "Ready", "status": "True"}]},
}


@pytest.mark.parametrize("status", STATUSES.values(), ids=STATUSES)
def test_the_service_says_of_a_pod_only_that_it_failed(service: User, victim: str, status: dict[str, Any]) -> None:
    assert refused(service.patch(f"{victim}/status", {"status": status}), "writes nothing into a pod's status but")


def test_no_step_says_anything_of_a_pod(step: User, victim: str) -> None:
    """Not what the service may, either."""
    for status in (FAILED, {"containerStatuses": [ended("main")]}, {"phase": "Succeeded"}):
        assert refused(step.patch(f"{victim}/status", {"status": status}), "only the OpsJobs service writes the status")


#: What a pod runs, or where → through which subresource it is changed.
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "an image": ("", {"spec": {"containers": [{"name": "main", "image": "evil:1"}]}}),
    "a toleration": ("", {"spec": {"tolerations": [{"key": "any", "operator": "Exists"}]}}),
    "resources": (
        "/resize",
        {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "20m"}}}]}},
    ),
    "a container beside it": ("/ephemeralcontainers", {"spec": {"ephemeralContainers": [{"name": "e", "image": "e"}]}}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nobody_changes_what_a_pod_runs(
    cluster: Cluster, thief: Thief, step: User, victim: str, change: tuple[str, dict[str, Any]]
) -> None:
    """Argo's controller neither, though its own rights are a thief's first aim."""
    through, patch = change
    whole = cluster.get("pod", victim.rpartition("/")[2], "-n", cluster.jobs)["spec"]
    # A merge patch replaces lists: all but what is changed stays.
    if "tolerations" in patch["spec"]:
        patch = {"spec": {"tolerations": [*whole["tolerations"], *patch["spec"]["tolerations"]]}}
    if "containers" in patch["spec"]:
        (container,), (main,) = patch["spec"]["containers"], whole["containers"]
        resources = main["resources"] | {"requests": main["resources"]["requests"] | {"cpu": "20m"}}
        changed = main | container | ({"resources": resources} if "resources" in container else {})
        patch = {"spec": {"containers": [changed]}}
    assert refused(step.patch(f"{victim}{through}", patch), "what the pod of a step runs may not be changed")
    if not through:
        argo = thief.with_token_of("argo", "argo")
        assert refused(argo.patch(victim, patch), "what the pod of a step runs may not be changed")


def test_nobody_ends_anothers_pod_by_a_deadline(step: User, victim: str) -> None:
    assert refused(step.patch(victim, {"spec": {"activeDeadlineSeconds": 1}}), "set a deadline")


def test_nobody_has_the_garbage_collector_take_a_pod(step: User, victim: str) -> None:
    gone = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0-0"}
    assert refused(step.patch(victim, {"metadata": {"ownerReferences": [gone]}}), "owners of a step's pod")


@pytest.mark.parametrize("path", ["{pod}/binding", "/api/v1/namespaces/{jobs}/bindings"])
def test_nobody_puts_a_pod_on_a_node_and_annotations_with_it(
    cluster: Cluster, step: User, victim: str, path: str
) -> None:
    metadata = {"name": victim.rpartition("/")[2], "annotations": {KILL: EVIL}}
    target = {"apiVersion": "v1", "kind": "Node", "name": "control-plane"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
    assert refused(step.create(path.format(pod=victim, jobs=cluster.jobs), binding), "only the scheduler puts the pods")


@pytest.mark.parametrize("way", ["exec", "attach", "portforward"])
def test_nobody_enters_a_pod(step: User, victim: str, way: str) -> None:
    assert refused(step.enter(f"{victim}/{way}"), "only Argo's controller enters")


def test_what_keeps_jobs_going_is_not_hindered(thief: Thief, service: User, victim: str) -> None:
    for reason in (pod_reasons.NODE_LOST, pod_reasons.NEVER_STARTED):
        assert admitted(service.patch(f"{victim}/status", {"status": {**FAILED, "reason": reason}}))
    assert admitted(service.patch(victim, {"spec": {"activeDeadlineSeconds": 1}}))
    argo = thief.with_token_of("argo", "argo")
    assert admitted(argo.patch(victim, {"metadata": {"labels": {"workflows.argoproj.io/completed": "true"}}}))
    condition = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}
    scheduler = thief.as_user("system:kube-scheduler", "system:authenticated")
    assert admitted(scheduler.patch(f"{victim}/status", {"status": condition}))
    for controller in ("node-controller", "disruption-controller"):
        user = thief.with_token_of(controller, "kube-system")
        assert admitted(user.patch(f"{victim}/status", {"status": condition}))

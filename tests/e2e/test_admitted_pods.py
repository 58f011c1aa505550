"""What a stolen token of the service could have Argo's controller start, by the parameter that patches a pod."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.apiserver import Apiserver, refusal
from tests.e2e.live import Cluster
from tests.e2e.step_pods import check, patched, pod


@pytest.fixture(scope="module")
def argo(cluster: Cluster) -> Iterator[Apiserver]:
    """What Argo's controller does with what a stolen token made it do."""
    controller = Apiserver(cluster, "argo", "argo")
    yield controller
    controller.close()


def test_a_check_has_all_that_a_request_may_ask_for(cluster: Cluster, argo: Apiserver) -> None:
    resource = {"cpu": "1", "gpu": "1", "sharedMemory": "1Gi"}
    paths = [f"/var/log/{number}" for number in range(100)]
    for options in ({}, {"hostpath": ["/var/log"], "resource": resource}, {"hostpath": paths}):
        answer = argo.create(f"/api/v1/namespaces/{cluster.jobs}/pods", check(cluster, **options))
        assert answer.status_code == 201, answer.text


def main(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "main", **fields}]}


HOST = {"name": "host", "hostPath": {"path": "/etc", "type": "Directory"}}
LOGS = {"name": "logs", "hostPath": {"path": "/var/log", "type": "Directory"}}
STORE = {"name": "store", "secret": {"secretName": "opsjobs-store"}}
OTHERS = {"name": "others", "configMap": {"name": "another-job"}}
CLAIM = {"name": "claim", "persistentVolumeClaim": {"claimName": "any"}}
WITHIN = {"name": "within", "projected": {"sources": [{"secret": {"name": "opsjobs-store"}}]}}
EVIL = {"name": "evil", "image": "evil:1", "command": ["true"]}
WAIT = {"name": "wait", "image": "evil:1"}
LIKE_OURS = {"name": "wait", "image": "quay.io/argoproj/argoexec:1/evil"}
PRIVILEGE = {"privileged": True}
STORES_KEY = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "opsjobs-store", "key": "secretKey"}}}
#: What a stolen token of the service could patch a check with → what the refusal says.
PATCHES: dict[str, tuple[dict[str, Any], str]] = {
    "another account, and all at once": (
        {"serviceAccountName": "opsjob-addon", "hostPID": True, **main(image="evil:1", securityContext=PRIVILEGE)},
        "runs as opsjob-preflight",
    ),
    "another account alone": ({"serviceAccountName": "opsjob-reboot"}, "runs as opsjob-preflight"),
    "a token for every container": ({"automountServiceAccountToken": True}, "given no token"),
    "Argo's token": (main(volumeMounts=[{"name": "argo-token", "mountPath": "/token"}]), "given no token"),
    "the host's processes": ({"hostPID": True}, "host's namespaces"),
    "the host's network": ({"hostNetwork": True}, "host's namespaces"),
    "the processes of Argo's containers": ({"shareProcessNamespace": True}, "host's namespaces"),
    "privilege": (main(securityContext=PRIVILEGE), "no privilege"),
    "a capability": (main(securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}), "no privilege"),
    "privilege at the start": ({"initContainers": [{"name": "init", "securityContext": PRIVILEGE}]}, "no privilege"),
    "a container of its own": ({"containers": [EVIL]}, "admission.stepImages"),
    "an init container of its own": ({"initContainers": [EVIL]}, "admission.stepImages"),
    "another image for Argo's": ({"containers": [WAIT]}, "admission.stepImages"),
    "an image that begins like Argo's": ({"containers": [LIKE_OURS]}, "admission.stepImages"),
    "a directory of the host": ({"volumes": [HOST]}, "preflight.hostPaths"),
    "writing to one": (
        {"volumes": [LOGS], **main(volumeMounts=[{"name": "logs", "mountPath": "/logs"}])},
        "writes to no host directory",
    ),
    "the keys of the store": ({"volumes": [STORE]}, "nothing else"),
    "the keys of the store within": ({"volumes": [WITHIN]}, "nothing else"),
    "the keys of the store as variables": (main(envFrom=[{"secretRef": {"name": "opsjobs-store"}}]), "no Secret"),
    "one of them": (main(env=[STORES_KEY]), "no Secret"),
    "the files of another job": ({"volumes": [OTHERS]}, "nothing else"),
    "a claim": ({"volumes": [CLAIM]}, "nothing else"),
}


@pytest.mark.parametrize(("patch", "why"), PATCHES.values(), ids=PATCHES)
def test_no_patch_makes_more_of_a_check(cluster: Cluster, argo: Apiserver, patch: dict[str, Any], why: str) -> None:
    spoiled = patched(check(cluster), patch)
    assert why in refusal(argo.create(f"/api/v1/namespaces/{cluster.jobs}/pods", spoiled))


@pytest.mark.parametrize("account", ["opsjob-addon", "opsjob-reboot", "opsjob-exportimage", "opsjob-preflight"])
def test_every_other_step_runs_the_image_of_the_product(cluster: Cluster, argo: Apiserver, account: str) -> None:
    pods = f"/api/v1/namespaces/{cluster.jobs}/pods"
    answer = argo.create(pods, pod(cluster, account, cluster.image))
    assert answer.status_code == 201, answer.text
    for image in ("evil:1", f"evil.example/{cluster.image}", f"{cluster.image}/evil"):
        assert "admission.stepImages" in refusal(argo.create(pods, pod(cluster, account, image)))
    within = patched(pod(cluster, account, cluster.image), {"initContainers": [EVIL]})
    assert "admission.stepImages" in refusal(argo.create(pods, within))

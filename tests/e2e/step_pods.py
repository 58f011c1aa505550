"""The pods of steps as Argo makes them, for tests of what is admitted."""

import copy
from typing import Any

from service.domain.preflight import Allowed, request
from tests.e2e.live import Cluster
from workflow_templates.preflight.check_pod import Place, Request, manifest

#: Argo's own parts of a pod.
EXECUTOR = {"image": "quay.io/argoproj/argoexec:v0", "command": ["argoexec"]}


def pod(cluster: Cluster, account: str, image: str, **labels: str) -> dict[str, Any]:
    """A step's pod, as Argo makes it before it is patched."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "job-a1b2c3-1", "namespace": cluster.jobs, "labels": labels},
        "spec": {
            "serviceAccountName": account,
            "restartPolicy": "Never",
            "containers": [{**EXECUTOR, "name": "wait"}, {"name": "main", "image": image, "command": ["true"]}],
            "initContainers": [{**EXECUTOR, "name": "init"}],
            "volumes": [
                {"name": "var-run-argo", "emptyDir": {}},
                {"name": "tmp-dir-argo", "emptyDir": {}},
                {"name": "files", "configMap": {"name": "job-a1b2c3"}},
            ],
        },
    }


def patched(made: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The pod with what a podSpecPatch says: lists of things with names are merged by these."""
    spec = copy.deepcopy(made["spec"])
    for key, value in patch.items():
        if key not in ("containers", "initContainers", "volumes"):
            spec[key] = value
            continue
        known = {item["name"]: item for item in spec[key]}
        for item in value:
            if item["name"] not in known:
                known[item["name"]] = {}
                spec[key].append(known[item["name"]])
            merged = known[item["name"]]
            for name, part in item.items():
                merged[name] = merged.get(name, []) + part if isinstance(part, list) else part
    return {**made, "spec": spec}


def check(cluster: Cluster, **options: Any) -> dict[str, Any]:
    """The pod of a preflight's check, as its runner makes it of what the service writes down."""
    allowed = Allowed(host_paths=["/var/log"], security_context={"allowPrivilegeEscalation": False})
    wanted = {"image": "example.com/a-check:1", **options}
    asked = request(wanted, allowed, peers="p0", deadline_seconds=60, recursive=False)
    place = Place(namespace="opsjobs-checks", job="job-a1b2c3", owner_uid="0", runner="r")
    return manifest(Request(**asked), place, cluster.nodes()[0])

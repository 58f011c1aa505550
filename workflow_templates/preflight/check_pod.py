"""The pod of one check: the only one that runs an image of the request, in a namespace without anything of ours.

The admission policies of that namespace allow exactly this (docs/decisions/0031).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_templates.protocol import check_pods, labels

Object = dict[str, Any]

#: Fixed text: the request's own is in the job's files.
#: Doubled for the kubelet, which takes `$$` in a command for `$`, and `$(NAME)` for the value of a variable.
RUN = (Path(__file__).parent / "run.sh").read_text(encoding="utf-8").replace("$", "$$")
#: From SIGTERM until the kubelet kills.
GRACE_SECONDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the request asks for, as the service allowed it (service/domain/preflight.py writes it)."""

    image: str
    peers: str
    pull_policy: str = "Always"
    pull_secrets: tuple[str, ...] = ()
    limits: Mapping[str, str] = field(default_factory=dict)
    shared_memory: str = ""
    security_context: Mapping[str, Any] = field(default_factory=dict)
    runtime_class: str = ""
    deadline_seconds: int = 0
    #: {"root": a directory of the host, "below": "" or a relative path, "write": bool, "recursive": bool}
    host_paths: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlacement:
    """Where the pods of one runner's checks go, and what owns them."""

    namespace: str
    job: str
    owner_uid: str
    runner: str


def manifest(request: Request, placement: CheckPlacement, node: str) -> Object:
    """The pod of the check on a node."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(placement, node),
        "spec": _spec(request, placement, node),
    }


def _metadata(placement: CheckPlacement, node: str) -> Object:
    return {
        "name": check_pods.pod_name(placement.job, node),
        "namespace": placement.namespace,
        "labels": {
            labels.JOB_ID: placement.job,
            labels.JOB_TYPE: "preflight",
            labels.STEP: labels.STEP_NODE,
            labels.RUNNER: placement.runner,
        },
        "annotations": {labels.NODE: node},
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": placement.job, "uid": placement.owner_uid},
        ],
    }


def _spec(request: Request, placement: CheckPlacement, node: str) -> Object:
    # Not nodeName: the scheduler says what does not fit, and a LimitRange or a device plugin takes part.
    pinned = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [pinned]}}
    spec: Object = {
        "restartPolicy": "Never",
        "serviceAccountName": "default",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "hostname": check_pods.peer(node, request.peers),
        "subdomain": check_pods.PEERS_SERVICE,
        # The plan has decided which nodes are in (docs/decisions/0005).
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": required},
        "containers": [_container(request, placement)],
        "volumes": list(_volumes(request, placement)),
    }
    if request.deadline_seconds:
        spec["activeDeadlineSeconds"] = request.deadline_seconds
    if request.runtime_class:
        spec["runtimeClassName"] = request.runtime_class
    if request.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in request.pull_secrets]
    return spec


def _container(request: Request, placement: CheckPlacement) -> Object:
    limits = dict(request.limits)
    return {
        "name": "main",
        "image": request.image,
        "imagePullPolicy": request.pull_policy,
        "command": ["/bin/sh", "-c", RUN],
        "env": [
            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "OPSJOB_ID", "value": placement.job},
        ],
        "envFrom": [{"secretRef": {"name": placement.job}}],
        "resources": {"requests": limits, "limits": limits} if limits else {},
        "securityContext": dict(request.security_context),
        "volumeMounts": list(_mounts(request)),
    }


def _volumes(request: Request, placement: CheckPlacement) -> Iterator[Object]:
    yield {"name": "files", "configMap": {"name": placement.job}}
    yield {"name": "result", "emptyDir": {}}
    if request.shared_memory:
        yield {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": request.shared_memory}}
    for number, root in enumerate(_roots(request)):
        yield {"name": f"host-{number}", "hostPath": {"path": root, "type": "Directory"}}


def _mounts(request: Request) -> Iterator[Object]:
    yield {"name": "files", "mountPath": "/etc/opsjob", "readOnly": True}
    yield {"name": "result", "mountPath": "/opsjob"}
    if request.shared_memory:
        yield {"name": "shared-memory", "mountPath": "/dev/shm"}  # noqa: S108 - in the pod
    roots = _roots(request)
    for path in request.host_paths:
        root, below = path["root"], path["below"]
        mount = {"name": f"host-{roots.index(root)}", "mountPath": f"{root}/{below}" if below else root}
        if not path["write"]:
            mount["readOnly"] = True
        if path["recursive"]:
            mount["recursiveReadOnly"] = "Enabled"
        # The kubelet opens it without following a link out of the volume.
        yield {**mount, "subPath": below} if below else mount


def _roots(request: Request) -> list[str]:
    return list(dict.fromkeys(path["root"] for path in request.host_paths))

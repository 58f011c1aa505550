"""What an order of preflight asks of its pods, as Kubernetes reads it, and whether it may (contract: preflight)."""

import base64
import binascii
import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.domain.faults import Fault, FaultCode, shown
from service.domain.job import ExcludedNode, Plan

#: Argo puts what it knows in the place of `{{…}}`, so no text with braces goes where it looks.
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+\-]*")
_PATH = re.compile(r"[^{}]*")
_STORAGE = "ephemeral-storage"
#: Field of the request's resource → the resource's name in a pod; the name of a GPU is a chart value.
_RESOURCES = {"cpu": "cpu", "memory": "memory", "ephemeralStorage": _STORAGE}

#: The kubelet holds all volumes of a pod against the limits of its containers together, and one of Argo's volumes holds
#: its executor, of more than 100 MiB: without room for that a check with a small limit would be evicted for it.
_STORAGE_OF_ARGO = {"resources": {"requests": {_STORAGE: "0"}, "limits": {_STORAGE: "512Mi"}}}

#: Where the pod of a check has something of its own: a mount there, above or below would hide it or could not be made.
#: /run, because images mostly have /var/run lead there.
_TAKEN = ("/etc/opsjob", "/opsjob", "/var/run/argo", "/run/argo", "/dev/termination-log")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - in the pod

#: The chart's headless Service, which gives every check a name that the others reach it by.
_PEERS_SERVICE = "opsjob-peers"
_PEER_DIGITS = 12

#: Only Argo's own containers get a token, a short-lived one; the container that runs the request's image gets none.
_TOKEN = {
    "name": "argo-token",
    "projected": {
        "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ]
    },
}
_TOKEN_MOUNT = {
    "name": "argo-token",
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    "readOnly": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What whoever runs OpsJobs lets a check have (the chart's values preflight.*)."""

    #: These host directories, and what is below them where a check may not write: else one job could make a link there
    #: that leads the mount of the next one anywhere on the host.
    host_paths: Sequence[str] = ()
    host_paths_writable: bool = False
    gpu_resource: str = "nvidia.com/gpu"
    #: Of the container that runs the check.
    security_context: Mapping[str, Any] = field(default_factory=dict)


def faults(options: Mapping[str, Any], allowed: Allowed) -> Iterator[Fault]:
    """What an order may not ask for, all of it at once; also of one that lacks what it needs."""
    if "image" in options and not _IMAGE.fullmatch(options["image"]):
        message = "is not the name of an image, like registry.example.com/tools/check:1.2"
        yield Fault("image", f"{shown(options['image'])} {message}")
    if "entryPoint" in options:
        yield from _script_faults(options["entryPoint"])
    taken = (*_TAKEN, _SHARED_MEMORY) if (options.get("resource") or {}).get("sharedMemory") else _TAKEN
    for index, path in enumerate(options.get("hostpath") or ()):
        if why := _not_mounted(path, allowed, taken):
            yield Fault(f"hostpath[{index}]", f"{shown(path)} may not be mounted: {why}", FaultCode.NOT_ALLOWED)
    gpus = (options.get("resource") or {}).get("gpu")
    if gpus is not None and not gpus.isdecimal():
        yield Fault("resource.gpu", f"{shown(gpus)} must be a whole number: a device is not shared")


def _script_faults(entry_point: str) -> Iterator[Fault]:
    try:
        script(entry_point)
    except ValueError as error:
        yield Fault("entryPoint", str(error))


def script(entry_point: str) -> str:
    """The command that an entryPoint stands for.

    Raises:
        ValueError: it is not Base64 of UTF-8 text, or of none; the message is for the caller.
    """
    try:
        text = base64.b64decode(entry_point, validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"must be Base64 of UTF-8 text: {error}") from error
    if not text.strip():
        raise ValueError("must be Base64 of a command, this one is empty")
    return text


def narrowed(plan: Plan, replica: int | None) -> Plan:
    """The plan with as many nodes as `resource.replica` asks for, the first by name; None: all."""
    nodes = sorted(plan.nodes, key=lambda node: node.name)
    if replica is None or replica >= len(nodes):
        return plan
    why = f"not among the first {replica} nodes, which resource.replica asks for"
    return Plan(tuple(nodes[:replica]), (*plan.excluded, *(ExcludedNode(node.name, why) for node in nodes[replica:])))


def pod_spec_patch(options: Mapping[str, Any], allowed: Allowed) -> str:
    """What the pod of a check has beside its template, as JSON for Argo's podSpecPatch."""
    resource = options.get("resource") or {}
    paths = list(dict.fromkeys(options.get("hostpath") or ()))
    names = {**_RESOURCES, "gpu": allowed.gpu_resource}
    limits = {names[key]: value for key, value in resource.items() if key in names}
    volumes: list[dict[str, Any]] = [
        {"name": f"host-{number}", "hostPath": {"path": path, "type": "Directory"}} for number, path in enumerate(paths)
    ]
    mounts: list[dict[str, Any]] = [
        {"name": f"host-{number}", "mountPath": path, "readOnly": not allowed.host_paths_writable}
        for number, path in enumerate(paths)
    ]
    if shared := resource.get("sharedMemory"):
        volumes.append({"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": shared}})
        mounts.append({"name": "shared-memory", "mountPath": _SHARED_MEMORY})
    main: dict[str, Any] = {
        "name": "main",
        "resources": {"requests": limits, "limits": limits},
        "securityContext": dict(allowed.security_context),
        "volumeMounts": mounts,
    }
    wait: dict[str, Any] = {"name": "wait", "volumeMounts": [_TOKEN_MOUNT]}
    if _STORAGE in limits:
        wait |= _STORAGE_OF_ARGO
    patch = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "volumes": [_TOKEN, *volumes],
        "initContainers": [{"name": "init", "volumeMounts": [_TOKEN_MOUNT]}],
        "containers": [wait, main],
    }
    return json.dumps(patch, ensure_ascii=False)


def _not_mounted(path: str, allowed: Allowed, taken: Iterable[str]) -> str:
    """Why a host path is not for a check; empty: it is."""
    # YAML, as which the patch is read, knows no other characters.
    known = path.isprintable() and _PATH.fullmatch(path)
    if not known or not any(_is_allowed(path, root, allowed) for root in allowed.host_paths):
        below = "" if allowed.host_paths_writable else " and what is below"
        may = f"only {', '.join(allowed.host_paths)}{below}" if allowed.host_paths else "no host path"
        return f"{may} (the chart's value preflight.hostPaths)"
    ours = next((place for place in taken if _is_within(path, place) or _is_within(place, path)), "")
    return f"the pod of a check has its own {ours}" if ours else ""


def _is_allowed(path: str, root: str, allowed: Allowed) -> bool:
    return path == root if allowed.host_paths_writable else _is_within(path, root)


def _is_within(path: str, root: str) -> bool:
    return posixpath.commonpath([path, root]) == posixpath.normpath(root)


def peer(node: str, job: str) -> str:
    """The host name of the check on a node; the template makes the same (workflow_templates/preflight/template.py).

    `job` is a word of this job alone: what a name of another job resolved to may still be in a cache.
    """
    return f"{job}-{hashlib.sha256(node.encode()).hexdigest()[:_PEER_DIGITS]}"


def files(plan: Plan, options: Mapping[str, Any], name: str, script: str, peers: str) -> dict[str, str]:
    """What the job's pods find under /etc/opsjob (workflow_templates/preflight: run.sh, report.py)."""
    noted = {
        "name": name,
        "image": options["image"],
        "excluded": [{"name": node.name, "reason": node.reason} for node in plan.excluded],
    }
    return {
        "entrypoint": script,
        "nodes": _lines(plan.names),
        "peers": _lines(f"{peer(node, peers)}.{_PEERS_SERVICE}" for node in plan.names),
        "plan.json": json.dumps(noted, ensure_ascii=False),
    }


def _lines(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in names)

"""What an order of preflight asks for its checks, and whether it may (contract: preflight).

The pods are made by the job's own steps (workflow_templates/preflight/check_pod.py), from what is written down here.
"""

import base64
import binascii
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from service.domain.job import ExcludedNode, Plan
from service.domain.request_faults import Fault, FaultCode, shown
from workflow_templates.protocol import check_pods

_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+\-]*")
_STORAGE = "ephemeral-storage"
#: Field of the request's resource → the resource's name in a pod; the name of a GPU is a chart value.
_RESOURCES = {"cpu": "cpu", "memory": "memory", "ephemeralStorage": _STORAGE}

#: Where the pod of a check has something of its own: a mount there, above or below would hide it or could not be made.
_TAKEN = ("/etc/opsjob", "/opsjob", "/dev/termination-log")
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - in the pod


class Allowed(BaseModel, frozen=True):
    """What a check may have, by the chart's values preflight.*."""

    #: These host directories, and what is below them where a check may not write: else one job could make a link there
    #: that leads the mount of the next one anywhere on the host.
    host_paths: Sequence[str] = ()
    host_paths_writable: bool = False
    gpu_resource: str = "nvidia.com/gpu"
    #: Of pods that ask for GPUs; empty: the cluster's default.
    runtime_class: str = ""
    #: Repositories of images, or what their names begin with where it ends with a slash; none: any.
    images: Sequence[str] = ()
    pull_policy: str = "Always"
    #: Names of registry Secrets in the namespace of the checks.
    pull_secrets: Sequence[str] = ()
    #: By Kubernetes' names of resources, for what a request does not name.
    default_limits: Mapping[str, str] = {}
    #: Of the container that runs the check.
    security_context: Mapping[str, Any] = {}


def faults(options: Mapping[str, Any], allowed: Allowed) -> Iterator[Fault]:
    """What an order may not ask for, all of it at once; also of one that lacks what it needs."""
    if "image" in options and not _IMAGE.fullmatch(options["image"]):
        message = "is not the name of an image, like registry.example.com/tools/check:1.2"
        yield Fault("image", f"{shown(options['image'])} {message}")
    elif "image" in options and not _is_image_allowed(options["image"], allowed):
        may = ", ".join(allowed.images)
        yield Fault(
            "image",
            f"{shown(options['image'])} is not of {may} (the chart's value preflight.images)",
            FaultCode.NOT_ALLOWED,
        )
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


def cannot_mount_below(options: Mapping[str, Any], allowed: Allowed, unable: Sequence[str]) -> Iterator[Fault]:
    """What may not be mounted on nodes whose runtime leaves writable what is mounted below a read-only directory.

    Another file system there may hold links that one job made for the next (docs/decisions/0031).
    """
    for index, path in enumerate(options.get("hostpath") or ()):
        if unable and _root_of(path, allowed)[1]:
            nodes = f"node {unable[0]}" + (f" and {len(unable) - 1} more" if unable[1:] else "")
            yield Fault(
                f"hostpath[{index}]",
                f"{path!r} may not be mounted: the container runtime of {nodes} cannot mount recursively read-only, so "
                f"only {', '.join(allowed.host_paths)} as they are (the chart's value preflight.hostPaths)",
                FaultCode.NOT_ALLOWED,
            )


def request(
    options: Mapping[str, Any], allowed: Allowed, *, peers: str, deadline_seconds: int, recursive: bool
) -> dict[str, Any]:
    """What the job's steps make its checks' pods from (Request in workflow_templates/preflight/check_pod.py).

    `recursive`: the runtimes of all planned nodes can mount recursively read-only.
    """
    resource = options.get("resource") or {}
    names = {**_RESOURCES, "gpu": allowed.gpu_resource}
    # Zero asks for nothing, and a device plugin would not understand it.
    asked = {names[key]: value for key, value in resource.items() if key in names and str(value) != "0"}
    return {
        "image": options["image"],
        "peers": peers,
        "pull_policy": allowed.pull_policy,
        "pull_secrets": list(allowed.pull_secrets),
        "limits": {**allowed.default_limits, **asked},
        "shared_memory": resource.get("sharedMemory") or "",
        "security_context": dict(allowed.security_context),
        "runtime_class": allowed.runtime_class if allowed.gpu_resource in asked else "",
        "deadline_seconds": max(0, deadline_seconds),
        "host_paths": [
            {"root": root, "below": below, "write": allowed.host_paths_writable, "recursive": readable and recursive}
            for root, below in (_root_of(path, allowed) for path in dict.fromkeys(options.get("hostpath") or ()))
            for readable in (not allowed.host_paths_writable,)
        ],
    }


def _is_image_allowed(image: str, allowed: Allowed) -> bool:
    path, slash, last = image.partition("@")[0].rpartition("/")
    repository = f"{path}{slash}{last.partition(':')[0]}"
    return not allowed.images or any(
        repository == entry or (entry.endswith("/") and repository.startswith(entry)) for entry in allowed.images
    )


def _root_of(path: str, allowed: Allowed) -> tuple[str, str]:
    """The allowed directory that a path is or is below, the nearest, and the rest of it."""
    roots = [posixpath.normpath(root) for root in allowed.host_paths if _is_within(path, root)]
    root = max(roots, key=len)
    return root, posixpath.relpath(path, root) if path != root else ""


def _not_mounted(path: str, allowed: Allowed, taken: Iterable[str]) -> str:
    """Why a host path is not for a check; empty: it is."""
    known = path.isprintable() and path == posixpath.normpath(path)
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


def files(plan: Plan, name: str, script: str, asked: Mapping[str, Any]) -> dict[str, str]:
    """What the job's pods find under /etc/opsjob (workflow_templates/preflight: run.sh, runner.py, report.py)."""
    noted = {
        "name": name,
        "image": asked["image"],
        "excluded": [{"name": node.name, "reason": node.reason} for node in plan.excluded],
    }
    return {
        "entrypoint": script,
        "nodes": _lines(plan.names),
        "peers": _lines(f"{check_pods.peer(node, asked['peers'])}.{check_pods.PEERS_SERVICE}" for node in plan.names),
        check_pods.REQUEST_FILE: json.dumps(asked, ensure_ascii=False),
        "plan.json": json.dumps(noted, ensure_ascii=False),
    }


def _lines(names: Iterable[str]) -> str:
    return "".join(f"{name}\n" for name in names)

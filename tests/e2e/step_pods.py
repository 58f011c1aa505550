"""The pods of steps as Argo's controller makes them of the installed templates, for tests of what is admitted."""

import copy
import json
import re
from typing import Any

import yaml

from tests.e2e.live import Cluster

Object = dict[str, Any]

JOB = "job-a1b2c3"
#: Argo's own parts of a pod, of an image that nobody can pull.
_EXECUTOR_IMAGE = "quay.io/argoproj/argoexec:v0"
_LOGS = ["--loglevel", "info", "--log-format", "text", "--gloglevel", "0"]
_MOUNT = {"name": "var-run-argo", "mountPath": "/var/run/argo"}
_ENVIRONMENT = [
    {"name": "ARGO_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    {"name": "ARGO_WORKFLOW_NAME", "value": JOB},
]


def steps(cluster: Cluster) -> dict[str, tuple[Object, Object]]:
    """<type>/<step> → the installed WorkflowTemplate's spec and its template of that step, of all that become pods."""
    found = {}
    for item in cluster.items("workflowtemplates", "-n", cluster.jobs):
        for template in item["spec"]["templates"]:
            if "container" in template:
                kind = item["metadata"]["labels"]["opsjob.io/type"]
                found[f"{kind}/{template['name']}"] = (item["spec"], template)
    return found


def pod(cluster: Cluster, step: str, patch: Object | None = None) -> Object:
    """A step's pod; `patch`: what a parameter could have Argo patch it with beside the template's own podSpecPatch."""
    spec, template = steps(cluster)[step]
    main = {**copy.deepcopy(template["container"]), "name": "main"}
    emissary = ["/var/run/argo/argoexec", "emissary", *_LOGS, "--"]
    main["command"] = [*emissary, *main["command"]]
    main["volumeMounts"] = [*main.get("volumeMounts", []), _MOUNT]
    main["env"] = [*main.get("env", []), *_ENVIRONMENT]
    names = {mount["name"] for mount in main["volumeMounts"]}
    made: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(cluster, spec, template),
        "spec": {
            "serviceAccountName": template.get("serviceAccountName", spec["serviceAccountName"]),
            "restartPolicy": "Never",
            "containers": [_executor("wait"), main],
            "initContainers": [_executor("init")],
            "volumes": [
                *({"name": name, "emptyDir": {}} for name in ("var-run-argo", "tmp-dir-argo")),
                *(volume for volume in spec.get("volumes", []) if volume["name"] in names),
            ],
            **{key: template[key] for key in ("tolerations", "affinity") if key in template},
        },
    }
    made = _filled_in(made)
    for change in (yaml.safe_load(_text_filled_in(template.get("podSpecPatch", "{}"))), patch or {}):
        made = {**made, "spec": patched(made["spec"], change)}
    return made


def patched(spec: Object, patch: Object) -> Object:
    """As Argo's podSpecPatch is merged: lists of things with names by these, all else replaced."""
    spec = copy.deepcopy(spec)
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
                if name in ("env", "volumeMounts", "envFrom", "ports"):
                    merged[name] = [*merged.get(name, []), *part]
                elif name == "securityContext":
                    merged[name] = {**merged.get(name, {}), **part}
                else:
                    merged[name] = part
    return spec


def _executor(name: str) -> Object:
    command = ["argoexec", name, *_LOGS]
    mounts = [_MOUNT, {"name": "tmp-dir-argo", "mountPath": "/tmp", "subPath": "0"}]  # noqa: S108 - the pod's own
    return {"name": name, "image": _EXECUTOR_IMAGE, "command": command, "env": _ENVIRONMENT, "volumeMounts": mounts}


def _metadata(cluster: Cluster, spec: Object, template: Object) -> Object:
    own, common = template.get("metadata", {}), spec.get("podMetadata", {})
    return {
        "name": f"{JOB}-{template['name']}-1234567890",
        "namespace": cluster.jobs,
        "labels": {
            "workflows.argoproj.io/workflow": JOB,
            "workflows.argoproj.io/completed": "false",
            **common.get("labels", {}),
            **own.get("labels", {}),
        },
        "annotations": {**common.get("annotations", {}), **own.get("annotations", {})},
    }


def _filled_in(made: Object) -> Object:
    return dict(json.loads(_text_filled_in(json.dumps(made))))


def _text_filled_in(text: str) -> str:
    """With the job for its name, a node for a node's, and a number for whatever else."""
    text = text.replace("{{workflow.name}}", JOB).replace("{{inputs.parameters.node}}", "node-1")
    return re.sub(r"\{\{.*?\}\}", "64", text)

"""Argo's executor for steps on fake nodes: it reports what they put out; a reboot gives its node another boot id."""

import contextlib
import json
import re
import uuid
from typing import Any

from service.kube.client import METADATA, Api, ConflictError

STEPS = "opsjob.io/step=node"

_NODE_ID = "workflows.argoproj.io/node-id"
_NODE_NAME = "workflows.argoproj.io/node-name"
_WORKFLOW = "workflows.argoproj.io/workflow"
_OUTPUTS_COMPLETED = "workflows.argoproj.io/report-outputs-completed"
#: Of the steps of a reboot only this one is on the node itself: `…node(7:fake-00007).reboot`. The others really run.
_REBOOT = re.compile(r"\(\d+:(?P<node>[^)]+)\)\.reboot(\(\d+\))?$")
_OF_REBOOT = re.compile(r"\)\.(begin|end)(\(\d+\))?$")


async def report(api: Api, namespace: str) -> None:
    """Do so for every step that begins to run, until cancelled."""
    pods, results = (
        f"/api/v1/namespaces/{namespace}/pods",
        f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflowtaskresults",
    )
    running: dict[str, str | int] = {"watch": "true", "labelSelector": STEPS, "fieldSelector": "status.phase=Running"}
    async for line in api.lines(pods, running, accept=METADATA, silence=600):
        change = json.loads(line)
        pod = change["object"]["metadata"]
        name = pod["annotations"][_NODE_NAME]
        if change["type"] != "ADDED" or _OF_REBOOT.search(name):
            continue
        if found := _REBOOT.search(name):
            await boot(api, found["node"])
        with contextlib.suppress(ConflictError):
            await api.create(results, _result(pod, {"evicted": []} if found else {"outcome": _outcome(pod)}))


async def boot(api: Api, node: str) -> None:
    """The machine comes up anew: before the step on it ends, so that this takes as long as the step."""
    await api.patch(f"/api/v1/nodes/{node}/status", {"status": {"nodeInfo": {"bootID": boot_id()}}})


def boot_id() -> str:
    """As a kernel makes one."""
    return str(uuid.uuid4())


def _outcome(pod: dict[str, Any]) -> dict[str, Any]:
    """What a quiet addon says."""
    templates = [{"name": "bench-scale", "result": "succeeded", "message": "", "exitCode": 0, "lastLines": "done\n"}]
    return {"node": pod["name"], "result": "succeeded", "message": "", "templates": templates}


def _result(pod: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    parameters = [{"name": name, "value": json.dumps(value, separators=(",", ":"))} for name, value in outputs.items()]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTaskResult",
        "metadata": {
            "name": pod["annotations"][_NODE_ID],
            "labels": {_WORKFLOW: pod["labels"][_WORKFLOW], _OUTPUTS_COMPLETED: "true"},
            "ownerReferences": pod["ownerReferences"],
        },
        "outputs": {"parameters": parameters},
    }

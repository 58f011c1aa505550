"""What a job's steps wrote: their pods, and the kubelets' logs of these."""

import base64
import contextlib
import json
import re
import time
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any

from service.domain.step_pod import CLEAN_UP, StepPod, StepPods
from service.jobs.ports import GoneFromNodeError
from service.kube.cache import BriefCache
from service.kube.client import METADATA, Api, ApiError, KubeSettings, Object
from workflow_templates.protocol import labels
from workflow_templates.protocol.api_path import api_path, object_path

#: How old what is known of a job's pods may be: all who follow it share one question.
PODS_SECONDS = 2.0
#: The same where there are very many, for each of them: they are read as a whole.
_SECONDS_A_POD = 0.01
_JOBS = 100
_LARGE_JOBS = 20
#: A container that writes nothing is no broken connection; one whose node went is, after this long.
_SILENCE_SECONDS = 3_600.0
#: Argo's name of a step: at its end `step`, `step(2:item)`, `step(2:item)(1)` for the second attempt, or `step(1)`.
_STEP = re.compile(r"(?<![A-Za-z0-9-])(?P<step>[A-Za-z0-9-]+)(\(\d+:[^()]*\))?(\((?P<attempt>\d+)\))?$")


class StepLogs:
    """Fills service.jobs.ports.StepOutput."""

    def __init__(self, api: Api, streams: Api, settings: KubeSettings) -> None:
        """`streams`: a client whose connections nothing else waits for."""
        self._api, self._streams = api, streams
        self._pods = api_path("v1", "pods", namespace=settings.jobs_namespace)
        self._secrets = api_path("v1", "secrets", namespace=settings.checks_namespace)
        self._workflows = api_path("argoproj.io/v1alpha1", "workflows", namespace=settings.jobs_namespace)
        self._known: BriefCache[StepPods] = BriefCache(PODS_SECONDS, _JOBS)
        #: Those of jobs with very many, and until when they are good.
        self._large: dict[str, tuple[float, StepPods]] = {}

    def now(self) -> datetime:
        return self._api.now()

    async def step_pods(self, job_id: str) -> StepPods:
        until, large = self._large.get(job_id, (0.0, None))
        if large and time.monotonic() < until:
            return large
        return await self._known.get(job_id, lambda: self._read(job_id))

    async def _read(self, job_id: str) -> StepPods:
        # In this order: once it is over, no pod is made after those that are read then.
        workflow = await self._api.get(object_path(self._workflows, job_id), accept=METADATA)
        over = workflow is None or (workflow["metadata"].get("labels") or {}).get(labels.ARGO_COMPLETED) == "true"
        selector = {"labelSelector": f"{labels.ARGO_WORKFLOW}={job_id},{labels.STEP}!={labels.STEP_NODE_LOG}"}
        pods = [step_pod(item) async for item in self._api.list(self._pods, selector)]
        found = StepPods(tuple(sorted(pods, key=lambda pod: (pod.created, pod.name))), over)
        self._large.pop(job_id, None)
        if len(pods) * _SECONDS_A_POD > PODS_SECONDS:
            self._large[job_id] = time.monotonic() + len(pods) * _SECONDS_A_POD, found
            if len(self._large) > _LARGE_JOBS:
                del self._large[next(iter(self._large))]
        return found

    async def log(
        self, pod: str, *, follow: bool, since: str = "", tail: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """As service.jobs.ports.StepOutput says it."""
        query: dict[str, str | int] = {"container": "main", "timestamps": "true"}
        if follow:
            query["follow"] = "true"
        if since:
            query["sinceTime"] = since
        if tail is not None:
            query["tailLines"] = tail
        path = object_path(self._pods, pod, "log")
        try:
            async with contextlib.aclosing(self._streams.pieces(path, query, silence=_SILENCE_SECONDS)) as pieces:
                async for piece in pieces:
                    yield piece
        except ApiError as error:
            if error.status in (400, 404):  # gone, or its container is
                raise GoneFromNodeError(str(error)) from error
            raise

    async def secret_values(self, job_id: str) -> Mapping[str, str] | None:
        found = [item async for item in self._api.list(self._secrets, {"fieldSelector": f"metadata.name={job_id}"})]
        if not found:
            return None
        data = found[0].get("data") or {}
        return {name: base64.b64decode(value).decode(errors="surrogateescape") for name, value in data.items()}


def step_pod(item: Object) -> StepPod:
    """What is known of a pod of the jobs' namespace that Argo made."""
    metadata, status = item["metadata"], item.get("status") or {}
    name = (metadata.get("annotations") or {}).get(labels.ARGO_NODE_NAME, "")
    step = _STEP.search(name)
    job_id = (metadata.get("labels") or {}).get(labels.ARGO_WORKFLOW, "")
    state = _main_state(status)
    return StepPod(
        name=metadata["name"],
        step=CLEAN_UP if name.startswith(f"{job_id}.onExit") else step["step"] if step else "",
        attempt=int(step["attempt"] or 0) + 1 if step else 1,
        nodes=_nodes(item),
        created=int(datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()),
        begun="running" in state or "terminated" in state,
        ended="terminated" in state or status.get("phase") in ("Succeeded", "Failed"),
    )


def _main_state(status: Mapping[str, Any]) -> Mapping[str, Any]:
    for container in status.get("containerStatuses") or ():
        if container["name"] == "main":
            state: Mapping[str, Any] = container.get("state") or {}
            return state
    return {}


def _nodes(item: Object) -> tuple[str, ...]:
    """Every step that works on nodes is told their names (workflow_templates/*/template.py)."""
    if (item["metadata"].get("labels") or {}).get(labels.STEP) != labels.STEP_NODE:
        return ()
    arguments = [
        argument
        for container in item["spec"]["containers"]
        if container["name"] == "main"
        for argument in container.get("args") or ()
    ]
    for argument in arguments:
        option, _, value = argument.partition("=")
        if option == "--node":
            return (value,)
        if option == "--nodes":
            return tuple(map(str, json.loads(value)))
    return ()

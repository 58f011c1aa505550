"""The life of a job's Workflow: created with its files, read, stopped, deleted, freed of its finalizer."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from service.domain.job import Job
from service.kube import compressed_status, manifest
from service.kube.adapter import Adapter
from service.kube.check_objects import CheckObjects
from service.kube.client import METADATA, Api, ApiError, ConflictError, KubeSettings, Object
from workflow_templates.protocol import labels
from workflow_templates.protocol.api_path import api_path, object_path

#: Argo's phases of a Workflow that has not begun: empty, or throttled.
_NOT_BEGUN = ("", "Pending")
ENDED = ("Succeeded", "Failed", "Error")


class Workflows(Adapter):
    def __init__(self, api: Api, settings: KubeSettings) -> None:
        super().__init__(api, settings)
        self.workflows_path = api_path(manifest.API_VERSION, "workflows", namespace=settings.jobs_namespace)
        self._checks = CheckObjects(api, settings)
        self._files_path = api_path("v1", "configmaps", namespace=settings.jobs_namespace)

    async def create_workflow(self, job: Job) -> None:
        """Create the Workflow, then what its checks need, then its files; calling it again finishes what was begun.

        Raises:
            ApiError: the name is taken by a Workflow that is not this job's, or the apiserver refuses the objects.
        """
        uid = await self._create_or_find(job)
        check_owner = await self._checks.create_checks(job) if manifest.has_checks(job) else ""
        files = manifest.files(job, uid, self._settings, check_owner)
        if files:
            await self._create_files(files)

    async def workflow(self, job_id: str) -> Object | None:
        found = await self._api.get(object_path(self.workflows_path, job_id))
        return compressed_status.unpacked(found) if found else None

    async def stop_workflow(self, job_id: str, *, by: str) -> None:
        """End it so that onExit still runs; one that has not begun has nothing to clean up and is terminated.

        One merge patch ends a suspension too: Argo ignores `shutdown` while a Workflow is suspended.
        """
        await self._api.change(object_path(self.workflows_path, job_id), lambda workflow: _stopping(workflow, by))

    async def time_out_workflow(self, job_id: str) -> None:
        """End it as at its deadline, which Argo does not do while it is suspended."""
        await self._api.change(object_path(self.workflows_path, job_id), _timing_out)

    async def remind_argo(self, job_id: str, now: datetime) -> None:
        reminder = {"metadata": {"annotations": {labels.REMINDED: now.isoformat()}}}
        await self._api.change(object_path(self.workflows_path, job_id), lambda _workflow: reminder, accept=METADATA)

    async def steer_workflow(self, job_id: str, annotations: Mapping[str, str | None]) -> None:
        """Have it carry these annotations; None takes one off. Absent: nothing."""
        await self._api.change(
            object_path(self.workflows_path, job_id),
            lambda workflow: _annotating(workflow, annotations),
            accept=METADATA,
        )

    async def delete_workflow(self, job_id: str) -> None:
        await self._api.delete(object_path(self.workflows_path, job_id), {"propagationPolicy": "Background"})

    async def remove_finalizer(self, job_id: str) -> None:
        await self._api.change(object_path(self.workflows_path, job_id), _without_finalizer, accept=METADATA)

    async def _create_or_find(self, job: Job) -> str:
        try:
            created = await self._api.create(self.workflows_path, manifest.workflow(job, self._settings))
        except ConflictError:
            created = await self._existing(job)
        uid: str = created["metadata"]["uid"]
        return uid

    async def _existing(self, job: Job) -> Object:
        found = await self._api.get(object_path(self.workflows_path, job.job_id))
        if found is None:
            raise ConflictError(409, f"Workflow {job.job_id} went while it was being created: try again")
        if found["metadata"].get("labels", {}).get(labels.JOB_ID) != job.job_id:
            raise ApiError(
                409,
                f"Workflow {job.job_id} in namespace {self._settings.jobs_namespace} is not this job's: it lacks the "
                f"label {labels.JOB_ID}={job.job_id}. Delete it, and submit again.",
            )
        return found

    async def _create_files(self, files: Object) -> None:
        try:
            await self._api.create(self._files_path, files)
        except ConflictError:
            await self._replace_orphan(files)

    async def _replace_orphan(self, files: Object) -> None:
        """Files of an earlier Workflow of that name are about to be collected: take their place."""
        path = object_path(self._files_path, files["metadata"]["name"])
        found = await self._api.get(path)
        if found and _owners(found) == _owners(files):
            return
        if found:
            await self._api.delete(path, {"preconditions": {"uid": found["metadata"]["uid"]}})
        await self._api.create(self._files_path, files)


def _owners(item: Object) -> Sequence[str]:
    return [owner["uid"] for owner in item["metadata"].get("ownerReferences", [])]


def _stopping(workflow: Object, by: str) -> Object | None:
    phase = workflow.get("status", {}).get("phase", "")
    spec = workflow["spec"]
    wanted = "Terminate" if phase in _NOT_BEGUN else "Stop"
    if phase in ENDED or (spec.get("shutdown") in (wanted, "Terminate") and not spec.get("suspend")):
        return None
    return {
        "metadata": {"annotations": {labels.STOPPED_BY: by}},
        "spec": {"suspend": None, "shutdown": wanted},
    }


def _timing_out(workflow: Object) -> Object | None:
    if workflow.get("status", {}).get("phase", "") in ENDED or not workflow["spec"].get("suspend"):
        return None
    return {
        "metadata": {"annotations": {labels.TIMED_OUT: "true"}},
        "spec": {"suspend": None, "shutdown": "Stop"},
    }


def _annotating(workflow: Object, annotations: Mapping[str, str | None]) -> Object | None:
    known = workflow["metadata"].get("annotations") or {}
    changed = {key: value for key, value in annotations.items() if known.get(key) != value}
    return {"metadata": {"annotations": changed}} if changed else None


def _without_finalizer(workflow: Object) -> Object | None:
    kept = workflow["metadata"].get("finalizers", [])
    if labels.RECORD_FINALIZER not in kept:
        return None
    return {"metadata": {"finalizers": [name for name in kept if name != labels.RECORD_FINALIZER]}}

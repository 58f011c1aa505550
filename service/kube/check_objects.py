"""What a preflight job has in the namespace of the checks: a ConfigMap, which owns its Secret and the checks' pods.

Owners lie in the same namespace, so the Workflow itself cannot be it; the ConfigMap is deleted when that is gone.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta

from service.domain.job import Job
from service.kube import manifest
from service.kube.adapter import Adapter
from service.kube.client import Api, ConflictError, KubeSettings
from workflow_templates.protocol import labels
from workflow_templates.protocol.api_path import api_path, object_path


class CheckObjects(Adapter):
    """Only objects that carry a job's id as name and label are touched."""

    def __init__(self, api: Api, settings: KubeSettings) -> None:
        super().__init__(api, settings)
        self._secrets = api_path("v1", "secrets", namespace=settings.checks_namespace)
        self._files = api_path("v1", "configmaps", namespace=settings.checks_namespace)

    async def create_secret(self, job: Job, values: Mapping[str, str]) -> None:
        """The job's environment, before the job is accepted.

        Raises:
            ConflictError: there is a Secret of that name, and it is not this job's, whose id is new.
        """
        await self._api.create(self._secrets, manifest.secret(job, values, self._settings))

    async def create_checks(self, job: Job) -> str:
        """The files of the job's checks, which take the Secret over; returns the uid of what then owns the pods.

        Pods do not start without a Secret that a person deleted, and say so.
        """
        try:
            files = await self._api.create(self._files, manifest.check_files(job, self._settings))
        except ConflictError:
            # A call before this one made it: a job's files never change.
            found = await self._api.get(object_path(self._files, job.job_id))
            if found is None:
                raise
            files = found
        uid: str = files["metadata"]["uid"]
        owner = manifest.check_owner(job, uid)
        await self._api.patch(object_path(self._secrets, job.job_id), {"metadata": {"ownerReferences": [owner]}})
        return uid

    async def jobs_with_checks(self) -> list[str]:
        """The ids of jobs that have files there."""
        return [name async for name in self._names(self._files)]

    async def delete_checks(self, job_id: str) -> None:
        """The files, and with them all that they own. Absent: nothing."""
        await self._api.delete(object_path(self._files, job_id), {"propagationPolicy": "Background"})

    async def unowned_secrets(self, older_than_seconds: int) -> list[str]:
        """The ids of jobs whose Secret nothing owns, though it is that old."""
        before = self._api.now() - timedelta(seconds=older_than_seconds)
        return [name async for name in self._names(self._secrets, unowned_before=before)]

    async def delete_secret(self, job_id: str) -> None:
        await self._api.delete(object_path(self._secrets, job_id))

    async def _names(self, path: str, unowned_before: datetime | None = None) -> AsyncIterator[str]:
        async for item in self._api.list(path, {"labelSelector": labels.JOB_ID}, metadata=True):
            metadata = item["metadata"]
            if metadata["labels"][labels.JOB_ID] != metadata["name"]:
                continue
            if unowned_before and (
                metadata.get("ownerReferences")
                or datetime.fromisoformat(metadata["creationTimestamp"]) >= unowned_before
            ):
                continue
            yield metadata["name"]

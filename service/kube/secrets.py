"""The Secret of a job's environment: made before the job is accepted, and then its Workflow's."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from service.domain.job import Job
from service.kube import manifest
from service.kube.client import Api, KubeSettings
from workflow_templates.protocol.api_path import api_path, object_path


class JobSecrets:
    """Only Secrets that carry a job's id as name and label are touched."""

    def __init__(self, api: Api, settings: KubeSettings) -> None:
        self._api = api
        self._settings = settings
        self._path = api_path("v1", "secrets", namespace=settings.jobs_namespace)

    async def create(self, job: Job, values: Mapping[str, str]) -> None:
        """Raises ConflictError: there is a Secret of that name, and it is not this job's, whose id is new."""
        await self._api.create(self._path, manifest.secret(job, values, self._settings))

    async def hand_over(self, job: Job, uid: str) -> None:
        """Have it go with the Workflow. One that somebody deleted is missed by the job's pods, which say so."""
        await self._api.patch(
            object_path(self._path, job.job_id), {"metadata": {"ownerReferences": [manifest.owner(job, uid)]}}
        )

    async def unowned(self, older_than_seconds: int) -> list[str]:
        """The ids of jobs whose Secret no Workflow owns, though it is that old."""
        before = self._api.now() - timedelta(seconds=older_than_seconds)
        listed = self._api.list(self._path, {"labelSelector": manifest.JOB_ID}, metadata=True)
        return [
            item["metadata"]["name"]
            async for item in listed
            if not item["metadata"].get("ownerReferences")
            and item["metadata"]["labels"][manifest.JOB_ID] == item["metadata"]["name"]
            and datetime.fromisoformat(item["metadata"]["creationTimestamp"]) < before
        ]

    async def delete(self, job_id: str) -> None:
        await self._api.delete(object_path(self._path, job_id))

"""The chart's pre-delete hook, `python -m service.kube.uninstall`: it frees what only the service can free.

Jobs that still run are stopped and given time to clean up; then the finalizer comes off every Workflow, nodes get
their cordon back, a freeze is lifted, and the WorkflowTemplates that upgrades kept are deleted.
"""

import asyncio
import os
import re
import sys
import time

import structlog

from service.domain.job import JobType
from service.jobs.ports import UnavailableError
from service.kube import client, manifest
from service.kube.client import Api, KubeSettings
from service.kube.freeze_object import FreezeObject
from service.kube.node_locks import NodeLocks
from service.kube.workflows import ENDED, Workflows
from workflow_templates.protocol import labels
from workflow_templates.protocol.api_path import api_path, object_path

log = structlog.get_logger()

_OUR_TEMPLATE = re.compile(rf"opsjob-({'|'.join(JobType)})-[0-9a-f]{{8}}")


async def release(api: Api, settings: KubeSettings, patience_seconds: float = 120) -> None:
    """Safe to repeat.

    Raises:
        UnavailableError: the apiserver does not answer; what was done so far stays done.
    """
    workflows = Workflows(api, settings)
    await _stop_all(api, workflows)
    if not await _all_ended(api, workflows, patience_seconds):
        log.warning("jobs still run; their finalizers are removed all the same", waited_seconds=patience_seconds)
    for job_id in await _job_ids(api, workflows):
        await workflows.remove_finalizer(job_id)
        log.info("finalizer removed", job_id=job_id)
    locks = NodeLocks(api, settings)
    for node, job_id in (await locks.holders()).items():
        await locks.give_back_node(node, job_id, at_once=True)
        log.info("node given back", node=node, job_id=job_id)
    await FreezeObject(api, settings).lift_freeze()
    await _delete_templates(api, settings)


async def _job_ids(api: Api, workflows: Workflows) -> list[str]:
    found = api.list(workflows.workflows_path, {"labelSelector": labels.JOB_ID}, metadata=True)
    return [item["metadata"]["name"] async for item in found]


async def _stop_all(api: Api, workflows: Workflows) -> None:
    for job_id in await _job_ids(api, workflows):
        await workflows.stop_workflow(job_id, by="uninstall")


async def _all_ended(api: Api, workflows: Workflows, patience_seconds: float) -> bool:
    give_up_at = time.monotonic() + patience_seconds
    while True:
        found = api.list(workflows.workflows_path, {"labelSelector": labels.JOB_ID})
        running = [item["metadata"]["name"] async for item in found if item.get("status", {}).get("phase") not in ENDED]
        if not running or time.monotonic() > give_up_at:
            return not running
        log.info("waiting for jobs to clean up", jobs=running)
        await asyncio.sleep(2)


async def _delete_templates(api: Api, settings: KubeSettings) -> None:
    path = api_path(manifest.API_VERSION, "workflowtemplates", namespace=settings.jobs_namespace)
    names = [item["metadata"]["name"] async for item in api.list(path, metadata=True)]
    for name in names:
        if _OUR_TEMPLATE.fullmatch(name):
            await api.delete(object_path(path, name))
            log.info("workflow template deleted", name=name)


async def main() -> int:
    settings = KubeSettings(jobs_namespace=os.environ["OPSJOBS_JOBS_NAMESPACE"])
    try:
        api = await client.connect(settings)
        try:
            await release(api, settings)
        finally:
            await api.close()
    except UnavailableError as error:
        log.error("release failed; helm uninstall can be repeated", cause=str(error))  # noqa: TRY400 - a sentence, no trace
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

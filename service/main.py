"""Put the rooms together: settings, store, Kubernetes, use cases, HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
import uvicorn
from fastapi import FastAPI

from service import log
from service.api import app as http
from service.api.wiring import Wiring
from service.jobs.keep import Keeper
from service.jobs.ports import Cluster, Leader, Records, Reviews
from service.jobs.project import Projector
from service.jobs.submit import Submission
from service.kube import KubeSettings, connect
from service.records import open_records
from service.settings import Settings

logger = structlog.get_logger()


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI app; it connects when it starts and runs its background work while it serves."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_records(settings.database_url) as records, connect(kube_settings(settings)) as kube:
            app.state.wiring = wiring(settings, records, kube, kube)
            background = asyncio.create_task(lead(settings, records, kube, kube))
            try:
                yield
            finally:
                background.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await background

    return http.build(lifespan)


def kube_settings(settings: Settings) -> KubeSettings:
    return KubeSettings(
        namespace=settings.namespace,
        jobs_namespace=settings.jobs_namespace,
        audience=settings.audience,
        workspace_label=settings.workspace_label,
        workload_labels=tuple(settings.workload_labels),
        default_ttl_seconds=settings.default_ttl_seconds,
    )


def wiring(settings: Settings, records: Records, cluster: Cluster, reviews: Reviews) -> Wiring:
    submission = Submission(
        records=records,
        cluster=cluster,
        cluster_id=settings.cluster_id,
        workspace_label=settings.workspace_label,
        templates=settings.templates,
        default_timeout_seconds=settings.default_timeout_seconds,
        system_namespaces=(*settings.system_namespaces, settings.namespace, settings.jobs_namespace),
    )
    return Wiring(
        records=records,
        cluster=cluster,
        reviews=reviews,
        submission=submission,
        argo_ui_url=settings.argo_ui_url,
        jobs_namespace=settings.jobs_namespace,
    )


async def lead(settings: Settings, records: Records, cluster: Cluster, leader: Leader) -> None:
    """While this replica leads: project Workflows into records and keep the cluster in order."""

    async def work() -> None:
        projector = Projector(records, cluster)
        keeper = Keeper(
            records,
            cluster,
            projector,
            lost_node_seconds=settings.lost_node_seconds,
            retention_days=settings.retention_days,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(projector.run())
            group.create_task(keeper.run())

    await leader.lead(work)


def main() -> None:
    settings = Settings()
    log.configure(settings.log_level)
    uvicorn.run(create_app(settings), host="0.0.0.0", port=settings.port, log_config=None, access_log=False)


if __name__ == "__main__":
    main()

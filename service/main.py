"""Put the rooms together: settings, store, Kubernetes, use cases, HTTP."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial

import structlog
from fastapi import FastAPI

from service import log
from service.api import app as http
from service.api.body_memory import BodyMemory
from service.api.caller_limit import CallerLimit
from service.api.dependencies import Dependencies
from service.api.open_streams import OpenStreams
from service.api.readiness import Readiness
from service.connection_limit import OpenConnections, counted, secured
from service.connection_timeouts import ConnectionTimeouts, Unread, guarded
from service.domain.job import JobType
from service.expiry import Expiry
from service.jobs.audit_trail import AuditRecorder
from service.jobs.freeze_lookout import FreezeLookout
from service.jobs.housekeeping import Housekeeping
from service.jobs.job_followers import JobFollowers
from service.jobs.leader_metrics import LeaderMetrics
from service.jobs.node_events import NodeEvents
from service.jobs.notification_queue import NotificationState, Sender
from service.jobs.notifier import Notifier
from service.jobs.permissions import Permissions
from service.jobs.ports import Cluster, Leader, Quota, Records, Reviews, StepOutput
from service.jobs.preparation import Kind
from service.jobs.prepare_addon import Addons
from service.jobs.prepare_dumplog import Dumplogs
from service.jobs.prepare_exportimage import Exports
from service.jobs.prepare_node_logs import NodeLogs
from service.jobs.prepare_preflight import Preflights
from service.jobs.prepare_reboot import Reboots
from service.jobs.reconcile import Reconciler
from service.jobs.shared_logs import SharedLogs
from service.jobs.store_ports import StoredObjects
from service.jobs.storing_output import OutputStoring
from service.jobs.submit import Limits, Submission
from service.jobs.workspace_namespaces import WorkspaceNamespaces
from service.kube import connect
from service.records import check_url, open_records
from service.serving import serve
from service.settings import Settings
from service.stored_objects import connect_store
from service.tls import Certificate
from service.webhooks import connect_webhooks

logger = structlog.get_logger()


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI app; it connects when it starts and runs its background work while it serves."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_records(settings.database_url, settings.receivers) as records,
            connect(settings) as kube,
            connect_store(settings.store) as stored,
            connect_webhooks(settings.receiver_secrets) as sender,
        ):
            services = dependencies(settings, records, kube, kube.reviews, kube.output, stored, sender)
            storing = partial(_storing, settings, records, kube.output, stored)
            app.state.dependencies = services
            metrics = LeaderMetrics(records, kube, settings.cluster_id)
            services.metrics.register(metrics)
            services.metrics.register(Expiry(settings.tls_folder))
            background = [
                asyncio.create_task(lead(settings, records, kube, kube.leader, metrics, storing, sender)),
                asyncio.create_task(services.audit_recorder.run()),
            ]
            try:
                yield
            finally:
                for task in background:
                    task.cancel()
                await asyncio.gather(*background, return_exceptions=True)

    return http.build(lifespan, console=settings.console_enabled)


def dependencies(  # noqa: PLR0913, PLR0917 - everything that the routes work with
    settings: Settings,
    records: Records,
    cluster: Cluster,
    reviews: Reviews,
    output: StepOutput,
    stored: StoredObjects | None = None,
    sender: Sender | None = None,
) -> Dependencies:
    workspace_namespaces = WorkspaceNamespaces(cluster, records, settings.cluster_id)
    submission = Submission(
        records=records,
        cluster=cluster,
        permissions=Permissions(reviews, workspace_namespaces),
        cluster_id=settings.cluster_id,
        workspace_label=settings.workspace_label,
        unhealthy_taint=settings.preflight.mark_taint,
        templates=settings.templates,
        default_timeout_seconds=settings.default_timeout_seconds,
        kinds=kinds(settings, cluster, reviews),
        limits=Limits(
            inputs=settings.max_inputs,
            nodes=settings.max_nodes,
            workloads=settings.max_workloads,
            ttl_seconds=settings.maximum_ttl_seconds,
        ),
        quota=Quota(per_caller=settings.max_jobs_per_caller, per_workspace=settings.max_jobs_per_workspace),
        unlabelled_nodes=settings.unlabelled_nodes,
    )
    return Dependencies(
        records=records,
        cluster=cluster,
        reviews=reviews,
        submission=submission,
        workspace_namespaces=workspace_namespaces,
        output=SharedLogs(output),
        stored=stored,
        argo_ui_url=settings.argo_ui_url,
        jobs_namespace=settings.jobs_namespace,
        caller_limit=CallerLimit(settings.max_requests_per_caller),
        readiness=Readiness(records, cluster),
        max_body_bytes=settings.max_body_bytes,
        body_memory=BodyMemory(settings.max_bytes_in_flight, settings.body_seconds),
        body_seconds=settings.body_seconds,
        node_labels=frozenset({*settings.node_labels, settings.workspace_label}),
        followers=JobFollowers(records),
        audit_recorder=AuditRecorder(records),
        notification_state=_notification_state(settings, records, sender),
        streams=OpenStreams(settings.max_streams_per_caller, settings.max_streams),
    )


def _notification_state(settings: Settings, records: Records, sender: Sender | None) -> NotificationState | None:
    names = [receiver.name for receiver in settings.receivers]
    return NotificationState(records, sender, names, settings.cluster_id) if sender else None


def kinds(settings: Settings, cluster: Cluster, reviews: Reviews) -> dict[JobType, Kind]:
    """Every job type that this version can prepare; which of them can run is for the chart to say."""
    system = (*settings.system_namespaces, settings.namespace, settings.jobs_namespace, settings.checks_namespace)
    node_logs = NodeLogs(cluster=cluster, reviews=reviews, settings=settings.dumplog)
    dumplogs = Dumplogs(
        workload_labels=settings.workload_labels,
        settings=settings.dumplog,
        node_logs=node_logs if settings.dumplog.node_logs else None,
    )
    preflights = Preflights(
        cluster=cluster,
        settings=settings.preflight,
        lost_seconds=settings.lost_node_seconds,
        default_timeout_seconds=settings.default_timeout_seconds,
    )
    return {
        JobType.ADDON: Addons(cluster=cluster, system_namespaces=system),
        JobType.DUMPLOG: dumplogs,
        JobType.EXPORTIMAGE: Exports(cluster=cluster, settings=settings.export),
        JobType.PREFLIGHT: preflights,
        JobType.REBOOT: Reboots(settings=settings.reboot, namespace=settings.namespace),
    }


def _storing(
    settings: Settings, records: Records, output: StepOutput, stored: StoredObjects | None
) -> OutputStoring | None:
    return OutputStoring(records, output, stored) if stored and settings.store.store_output else None


async def lead(  # noqa: PLR0913, PLR0917 - all that the leader works with
    settings: Settings,
    records: Records,
    cluster: Cluster,
    leader: Leader,
    metrics: LeaderMetrics,
    begin: Callable[[], OutputStoring | None],
    sender: Sender,
) -> None:
    """While this replica leads: reconcile records with Workflows, keep the cluster in order, tell receivers."""

    async def work() -> None:
        # Anew each time: what was being stored when the lead was lost is begun again.
        storing = begin()
        events = NodeEvents(cluster)
        reconciler = Reconciler(records, cluster, settings.cluster_id, storing, events)
        housekeeper = Housekeeping(
            records,
            cluster,
            reconciler,
            lost_node_seconds=settings.lost_node_seconds,
            retention_days=settings.retention_days,
            audit_retention_days=settings.audit_retention_days,
            storing=storing,
        )
        notifier = Notifier(
            records,
            cluster,
            sender,
            settings.receivers,
            cluster_id=settings.cluster_id,
            external_url=settings.external_url,
            events=events,
        )
        with metrics.leading(reconciler):
            async with asyncio.TaskGroup() as group:
                group.create_task(reconciler.run())
                group.create_task(housekeeper.run())
                if storing:
                    group.create_task(storing.run())
                group.create_task(FreezeLookout(records, cluster, reconciler).run())
                group.create_task(metrics.run())
                group.create_task(notifier.run())
                group.create_task(events.run())

    await leader.lead(work)


def main() -> None:
    settings = Settings()
    try:
        check_url(settings.database_url)
    except ValueError as error:
        sys.exit(f"OPSJOBS_DATABASE_URL cannot be used: {error}")
    log.configure(settings.log_level)
    serve(
        create_app(settings),
        host="0.0.0.0",
        port=settings.port,
        http=connections(settings),
        ws="none",
        # Audit lines name the client: only a proxy that the chart names may say who that is.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        log_config=None,
        access_log=False,
    )


def connections(settings: Settings) -> type[asyncio.Protocol]:
    """The class of uvicorn's connections; over TLS where the settings name a certificate."""
    timeouts = ConnectionTimeouts(
        header=settings.header_seconds, body=settings.body_seconds, write=settings.write_seconds
    )
    unread = Unread(settings.max_unread_bytes)
    http, open_connections = guarded(timeouts, unread), OpenConnections(settings.max_connections)
    if settings.tls_folder is None:
        return counted(http, open_connections)
    return secured(http, open_connections, Certificate(settings.tls_folder))


if __name__ == "__main__":
    main()

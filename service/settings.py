from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, SettingsConfigDict

from workflow_templates.protocol import labels


class Settings(BaseSettings):
    """What the chart sets, as OPSJOBS_* environment variables; the chart's values.yaml explains each."""

    model_config = SettingsConfigDict(env_prefix="OPSJOBS_")

    database_url: str = "sqlite+aiosqlite:////data/opsjobs.db"
    namespace: str = "opsjobs"
    jobs_namespace: str = "opsjobs-jobs"
    #: Where the pods of preflight's checks run.
    checks_namespace: str = "opsjobs-checks"
    audience: str = "opsjobs"
    cluster_id: str = "default"
    #: Job type → name of the WorkflowTemplate that runs it.
    templates: dict[str, str] = {}
    default_ttl_seconds: int = 86_400
    #: More is refused; 0: any.
    maximum_ttl_seconds: int = 0
    #: For jobs that name no timeoutSecond; 0: none.
    default_timeout_seconds: int = 0
    workspace_label: str = labels.WORKSPACE
    #: A right in a workspace reaches nodes that are labelled for none, too.
    unlabelled_nodes: bool = False
    workload_labels: list[str] = []
    #: Pods in these do not keep a node busy, nor do those in the two namespaces of our own (docs/decisions/0008).
    system_namespaces: list[str] = ["kube-system", "argo"]
    #: Where exportimage copies to; what each is, service.jobs.prepare_exportimage says.
    export_registry: str = ""
    export_project: str = "custom"
    export_refused_networks: list[str] = []
    export_insecure_sources: list[str] = []
    argo_ui_url: str = ""
    #: Records of ended jobs are kept this many days; 0: for ever; None: 90 in a store that this version began, and as
    #: long as the chart does not say in one that was there before.
    retention_days: int | None = None
    #: A step pod on a node that was NotReady this long is given up.
    lost_node_seconds: int = 300
    #: A step of an addon job that has not started on its node after this long is given up.
    start_seconds: int = 600
    #: What reboot jobs run on the host, and how long they wait; the chart's `reboot` values.
    reboot_command: str = "systemd-run --on-active=10s --timer-property=AccuracySec=100ms systemctl reboot"
    reboot_evict_seconds: int = 600
    reboot_evict_unmanaged: bool = False
    reboot_delete_empty_dir_data: bool = True
    reboot_come_back_seconds: int = 1800
    #: Pods in these, and in our own namespace, are not evicted but go down and come back with their node.
    reboot_kept_namespaces: list[str] = ["argo"]
    #: The chart's `limits`; those of requests and bytes in flight are of one replica.
    max_body_bytes: int = 1024 * 1024
    max_inputs: int = 1_000
    max_nodes: int = 2_000
    max_workloads: int = 50
    #: Unfinished jobs; 0: any number.
    max_jobs_per_caller: int = 0
    max_jobs_per_workspace: int = 0
    max_requests_per_caller: int = 64
    #: Responses that last; 429 beyond.
    max_streams_per_caller: int = 20
    max_streams: int = 500
    max_bytes_in_flight: int = 16 * 1024 * 1024
    #: Seconds that a client has to send a request's headers, its body, and to read on in an answer.
    header_seconds: float = 10
    body_seconds: float = 30
    write_seconds: float = 30
    #: Proxies (addresses or networks) whose X-Forwarded-For is believed.
    trusted_proxies: list[str] = []
    #: Space on its node that a dumplog job may use on the way to the store.
    dumplog_scratch_mebibytes: int = 8192
    #: Where a dumplog job may read logs, and whether everywhere; the chart's `dumplog`.
    dumplog_namespaces: list[str] = []
    dumplog_all_namespaces: bool = False
    #: The logs of a workload's nodes; the chart's `dumplog.nodeLogs`.
    dumplog_node_logs: bool = False
    dumplog_node_log_hours: int = 24
    dumplog_node_log_mebibytes: int = 16
    dumplog_node_log_seconds: int = 180
    #: What a check may have, and how long its pod may take to start; the chart's `preflight` values.
    preflight_host_paths: list[str] = []
    preflight_host_paths_writable: bool = False
    preflight_gpu_resource: str = "nvidia.com/gpu"
    preflight_security_context: dict[str, Any] = {}
    preflight_runtime_class: str = ""
    preflight_images: list[str] = []
    preflight_pull_policy: str = "Always"
    preflight_pull_secrets: list[str] = []
    preflight_default_limits: dict[str, str] = {}
    #: 0: as for other jobs.
    preflight_default_timeout_seconds: int = 86_400
    preflight_parallelism: int = 1000
    preflight_start_seconds: int = 900
    preflight_mark_taint: str = ""
    preflight_mark_label: str = ""
    log_level: str = "INFO"
    port: int = 8080
    #: A folder with tls.crt and tls.key; without it the service speaks plain HTTP.
    tls_folder: Path | None = None
    #: To one replica; the chart's limits.connections.
    max_connections: int = 1_000
    max_unread_bytes: int = 64 * 2**20

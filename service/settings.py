from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from service.domain.receiver import Receiver
from service.jobs.prepare_dumplog import DumplogSettings
from service.jobs.prepare_exportimage import ExportSettings
from service.jobs.prepare_preflight import PreflightSettings
from service.jobs.prepare_reboot import RebootSettings
from service.kube import KubeSettings
from service.records import DEFAULT_URL
from service.stored_objects import StoreSettings


class Settings(KubeSettings, BaseSettings):
    """What the chart sets, as OPSJOBS_* environment variables; the chart's values.yaml explains each.

    OPSJOBS_REBOOT_COMMAND is `reboot.command`, and so with each job type's own.
    """

    model_config = SettingsConfigDict(env_prefix="OPSJOBS_", env_nested_delimiter="_", env_nested_max_split=1)

    database_url: str = DEFAULT_URL
    cluster_id: str = "default"
    #: Job type → name of the WorkflowTemplate that runs it.
    templates: dict[str, str] = {}
    #: More is refused; 0: any.
    maximum_ttl_seconds: int = 0
    #: For jobs that name no timeoutSecond; 0: none.
    default_timeout_seconds: int = 0
    #: A right in a workspace reaches nodes that are labelled for none, too.
    unlabelled_nodes: bool = False
    #: The labels of nodes that GET /api/v1/nodes shows, beside that of their workspace.
    node_labels: list[str] = []
    #: Pods in these do not keep a node busy, nor do those in the two namespaces of our own (docs/decisions/0008).
    system_namespaces: list[str] = ["kube-system", "argo"]
    argo_ui_url: str = ""
    #: Whether /console has pages.
    console_enabled: bool = True
    #: Records of ended jobs are kept this many days; 0: for ever; None: 90 in a store that this version began, and as
    #: long as the chart does not say in one that was there before.
    retention_days: int | None = None
    #: What callers did is kept this many days; 0: for ever.
    audit_retention_days: int = 365
    #: A step pod on a node that was NotReady this long is given up.
    lost_node_seconds: int = 300
    dumplog: DumplogSettings = DumplogSettings()
    export: ExportSettings = ExportSettings()
    preflight: PreflightSettings = PreflightSettings()
    reboot: RebootSettings = RebootSettings()
    #: The object store, as the service itself reads it.
    store: StoreSettings = StoreSettings()
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
    #: Who is told what happens to jobs.
    receivers: list[Receiver] = []
    #: A folder for each of them with its url, and what its messages are signed with.
    receiver_secrets: Path = Path("/etc/opsjobs-receivers")
    #: Where people reach the service, for links; empty: none.
    external_url: str = ""
    log_level: str = "INFO"
    port: int = 8080
    #: A folder with tls.crt and tls.key; without it the service speaks plain HTTP.
    tls_folder: Path | None = None
    #: To one replica; the chart's limits.connections.
    max_connections: int = 1_000
    max_unread_bytes: int = 64 * 2**20

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What the chart sets, as OPSJOBS_* environment variables; the chart's values.yaml explains each."""

    model_config = SettingsConfigDict(env_prefix="OPSJOBS_")

    database_url: str = "sqlite+aiosqlite:////data/opsjobs.db"
    namespace: str = "opsjobs"
    jobs_namespace: str = "opsjobs-jobs"
    audience: str = "opsjobs"
    cluster_id: str = "default"
    #: Job type → name of the WorkflowTemplate that runs it.
    templates: dict[str, str] = {}
    default_ttl_seconds: int = 86_400
    #: For jobs that name no timeoutSecond; 0: none.
    default_timeout_seconds: int = 0
    workspace_label: str = "opsjob.io/workspace"
    workload_labels: list[str] = []
    #: Pods in these do not keep a node busy, nor do those in the two namespaces of our own (docs/decisions/0008).
    system_namespaces: list[str] = ["kube-system", "argo"]
    argo_ui_url: str = ""
    #: Records of ended jobs are kept this many days; 0: for ever.
    retention_days: int = 0
    #: A step pod on a node that was NotReady this long is given up.
    lost_node_seconds: int = 300
    log_level: str = "INFO"
    port: int = 8080

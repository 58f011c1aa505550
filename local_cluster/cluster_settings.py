"""What the local cluster is made of and where it is kept."""

import os
from dataclasses import dataclass, field
from pathlib import Path

KUBERNETES_VERSION = "1.35.4"
ARGO_VERSION = "4.0.7"

CHECKOUT = Path(__file__).resolve().parent.parent
BUILD = CHECKOUT / "build"

RELEASE_NAMESPACE = "opsjobs"
JOBS_NAMESPACE = "opsjobs-jobs"
FACADE_NODE_PORT = 30080
ARGO_NODE_PORT = 30274
#: As manifests/object-store.yaml says it.
STORE_NODE_PORT = 30900
CLUSTER_ID = "local"


def _default_cache() -> Path:
    return Path(os.environ.get("OPSJOBS_CACHE") or Path.home() / ".cache" / "opsjobs").expanduser()


@dataclass(frozen=True)
class Settings:
    """One cluster a machine: its names begin with `name`, whichever checkout made it.

    A second checkout therefore meets the first one's cluster, adopts it where it is healthy and of the same make, and
    installs its own image and chart on it. Two clusters side by side need two names (OPSJOBS_CLUSTER).
    """

    name: str = field(default_factory=lambda: os.environ.get("OPSJOBS_CLUSTER", "opsjobs"))
    cache: Path = field(default_factory=_default_cache)
    nodes: int = 3

    @property
    def label(self) -> str:
        """The label on everything Docker holds for this cluster, for `down` to find it all."""
        return f"opsjob.io/local-cluster={self.name}"

    @property
    def labels(self) -> dict[str, str]:
        key, value = self.label.split("=")
        return {key: value}

    @property
    def state(self) -> Path:
        """What must outlive a checkout but not the cluster: which daemon we started."""
        return self.cache / "state" / self.name

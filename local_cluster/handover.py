"""What tests and people need to reach the cluster, written to build/cluster.json."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from local_cluster.cluster_settings import BUILD, JOBS_NAMESPACE, RELEASE_NAMESPACE

FILE = BUILD / "cluster.json"


@dataclass(frozen=True)
class Handover:
    """`containers` maps the name of a node to its Docker container; empty on a cluster that is not ours."""

    kubeconfig: str
    url: str
    argoUrl: str  # noqa: N815 - the file is JSON
    bin: str
    containers: Mapping[str, str]
    #: Where the S3 store is reached from this machine; empty on a cluster that is not ours.
    storeUrl: str = ""  # noqa: N815 - the file is JSON
    #: The certificate of the authority that signed the service's; empty where it speaks plain HTTP.
    ca: str = ""
    namespace: str = RELEASE_NAMESPACE
    jobsNamespace: str = JOBS_NAMESPACE  # noqa: N815 - the file is JSON

    def trust(self) -> ssl.SSLContext:
        """What a client of the service trusts: its authority, and where it has none of its own every system's."""
        return ssl.create_default_context(cafile=self.ca or None)

    def write(self, file: Path = FILE) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, file: Path = FILE) -> "Handover":
        """Read it back; raises FileNotFoundError where no cluster is up."""
        return cls(**json.loads(file.read_text()))

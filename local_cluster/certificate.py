"""The certificate that the service shows on the local cluster, signed by the cluster's own authority."""

import base64
import json

from local_cluster.cluster_settings import BUILD, RELEASE_NAMESPACE
from local_cluster.control_plane import authority_of
from local_cluster.kubectl import Kubectl
from local_cluster.node_container import Node
from local_cluster.stages import Stage

#: As values.yaml names it to the chart.
SECRET = "opsjobs-tls"  # noqa: S105 - the name of an object
#: The authority's certificate, for clients on this machine.
AUTHORITY = BUILD / "ca.crt"


def install(kubectl: Kubectl, control_plane: Node, stage: Stage) -> None:
    """Have the service's Secret there before the chart is installed, and AUTHORITY for clients on this machine."""
    authority = authority_of(control_plane)
    ours = authority.identity.certificate
    kubectl.apply(stage, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RELEASE_NAMESPACE}})
    if _signed_by(kubectl, stage) != ours:
        service = f"opsjobs.{RELEASE_NAMESPACE}.svc"
        hosts = [service, f"{service}.cluster.local", "localhost", "127.0.0.1", str(control_plane.address.ip)]
        identity = authority.sign(service, hosts=hosts)
        files = {"tls.crt": identity.certificate, "tls.key": identity.key, "ca.crt": ours}
        kubectl.apply(
            stage,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": SECRET, "namespace": RELEASE_NAMESPACE},
                "type": "kubernetes.io/tls",
                "stringData": {name: content.decode() for name, content in files.items()},
            },
        )
    AUTHORITY.parent.mkdir(parents=True, exist_ok=True)
    AUTHORITY.write_bytes(ours)


def _signed_by(kubectl: Kubectl, stage: Stage) -> bytes | None:
    """The authority of the certificate that is there already, if one is."""
    where = ("-n", RELEASE_NAMESPACE, "get", "secret", SECRET, "--ignore-not-found", "-o", "json")
    found = kubectl.secret(stage, *where)
    return base64.b64decode(json.loads(found)["data"].get("ca.crt", "")) if found else None

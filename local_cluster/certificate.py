"""The certificates that servers show on the local cluster, signed by the cluster's own authority."""

import base64
import json
from dataclasses import dataclass

from local_cluster.cluster_settings import BUILD, RELEASE_NAMESPACE
from local_cluster.control_plane import authority_of
from local_cluster.kubectl import Kubectl
from local_cluster.node_container import Node
from local_cluster.stages import Stage

#: The authority's certificate, for clients on this machine.
AUTHORITY = BUILD / "ca.crt"


@dataclass(frozen=True)
class Server:
    """A Service that speaks TLS, and the Secret of its certificate."""

    service: str
    namespace: str
    secret: str


#: As values.yaml names it to the chart.
OPSJOBS = Server("opsjobs", RELEASE_NAMESPACE, "opsjobs-tls")


def install(server: Server, kubectl: Kubectl, control_plane: Node, stage: Stage) -> None:
    """Have the server's Secret there before the server is, and AUTHORITY for clients on this machine."""
    authority = authority_of(control_plane)
    ours = authority.identity.certificate
    kubectl.apply(stage, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": server.namespace}})
    if _signed_by(server, kubectl, stage) != ours:
        name = f"{server.service}.{server.namespace}.svc"
        hosts = [name, f"{name}.cluster.local", "localhost", "127.0.0.1", str(control_plane.address.ip)]
        identity = authority.sign(name, hosts=hosts)
        files = {"tls.crt": identity.certificate, "tls.key": identity.key, "ca.crt": ours}
        kubectl.apply(
            stage,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": server.secret, "namespace": server.namespace},
                "type": "kubernetes.io/tls",
                "stringData": {name: content.decode() for name, content in files.items()},
            },
        )
    AUTHORITY.parent.mkdir(parents=True, exist_ok=True)
    AUTHORITY.write_bytes(ours)


def _signed_by(server: Server, kubectl: Kubectl, stage: Stage) -> bytes | None:
    """The authority of the certificate that is there already, if one is."""
    where = ("-n", server.namespace, "get", "secret", server.secret, "--ignore-not-found", "-o", "json")
    found = kubectl.secret(stage, *where)
    return base64.b64decode(json.loads(found)["data"].get("ca.crt", "")) if found else None

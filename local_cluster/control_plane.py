"""The first node: etcd, the API server and the controllers, and the certificate authority all others are signed by."""

from local_cluster.network import API_ADDRESS
from local_cluster.node_container import Node
from local_cluster.pki import Authority, Identity, new_key

ADMIN_CONFIG = "/etc/kubernetes/admin.kubeconfig"
CA_CERTIFICATE = "/etc/kubernetes/pki/ca.crt"
CA_KEY = "/etc/kubernetes/pki/ca.key"
PKI = "/etc/kubernetes/pki"


def server_url(control_plane: Node) -> str:
    return f"https://{control_plane.address.ip}:6443"


def control_plane_files(node: Node, authority: Authority) -> dict[str, bytes]:
    """Everything the control plane needs, by path: its own keys, and kubeconfigs for its parts and for the admin."""
    service = "kubernetes.default.svc.cluster.local"
    hosts = [service, service.removesuffix(".cluster.local"), "kubernetes", "localhost", "127.0.0.1"]
    server = authority.sign("kube-apiserver", hosts=[*hosts, API_ADDRESS, node.address.ip])
    kubelet_client = authority.sign("kube-apiserver-kubelet-client", group="system:masters")
    url = server_url(node)

    def kubeconfig(user: str, group: str = "") -> bytes:
        return authority.kubeconfig(url, authority.sign(user, group)).encode()

    return {
        **_pair("ca", authority.identity),
        **_pair("apiserver", server),
        **_pair("kubelet-client", kubelet_client),
        f"{PKI}/service-account.key": new_key(),
        ADMIN_CONFIG: kubeconfig("opsjobs-admin", "system:masters"),
        "/etc/kubernetes/controller-manager.kubeconfig": kubeconfig("system:kube-controller-manager"),
        "/etc/kubernetes/scheduler.kubeconfig": kubeconfig("system:kube-scheduler"),
        **node_files(node, authority, url),
    }


def node_files(node: Node, authority: Authority, url: str) -> dict[str, bytes]:
    """What makes a node a member of the cluster whose API is at `url`."""
    kubelet = authority.sign(f"system:node:{node.name}", "system:nodes")
    proxy = authority.sign("system:kube-proxy")
    return {
        CA_CERTIFICATE: authority.identity.certificate,
        "/etc/kubernetes/kubelet.kubeconfig": authority.kubeconfig(url, kubelet).encode(),
        "/etc/kubernetes/kube-proxy.kubeconfig": authority.kubeconfig(url, proxy).encode(),
    }


def authority_of(control_plane: Node) -> Authority:
    """Read the authority back from a control plane that runs, for nodes that join it later."""
    return Authority(Identity(control_plane.read(CA_CERTIFICATE), control_plane.read(CA_KEY)))


def _pair(name: str, identity: Identity) -> dict[str, bytes]:
    return {f"{PKI}/{name}.crt": identity.certificate, f"{PKI}/{name}.key": identity.key}

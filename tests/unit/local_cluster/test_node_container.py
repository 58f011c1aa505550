import json

import pytest

from local_cluster.cluster_settings import Settings
from local_cluster.network import Address
from local_cluster.node_container import Node, resolv_conf


def node(index: int) -> Node:
    return Node(Settings(name="trial"), Address("172.30.7.0/24", index))


def facts(one: Node) -> dict[str, str]:
    return dict(line.split("=", 1) for line in one.environment().splitlines())


def test_a_node_has_one_name_in_kubernetes_and_the_clusters_before_it_in_docker() -> None:
    assert (node(2).name, node(2).container_name, node(2).volume) == ("node-2", "trial-node-2", "trial-node-2-var")


def test_only_the_control_plane_turns_ordinary_pods_away() -> None:
    assert (node(0).name, facts(node(0))["NODE_TAINTS"]) == (
        "control-plane",
        "node-role.kubernetes.io/control-plane=:NoSchedule",
    )
    assert facts(node(1))["NODE_TAINTS"] == ""


def test_the_routes_script_finds_other_nodes_from_what_each_node_is_told() -> None:
    one = facts(node(5))
    assert f"{one['NODE_PREFIX']}.{int(one['FIRST_HOST']) + 5}" == one["NODE_IP"] == "172.30.7.15"
    assert f"{one['POD_PREFIX']}.5.0/24" == one["POD_CIDR"]


def test_the_pod_network_hands_out_the_nodes_own_range() -> None:
    written = json.loads(node(3).files()["/etc/cni/net.d/10-pods.conflist"])
    assert written["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.244.3.0/24"}]]


@pytest.mark.parametrize(
    ("machines", "pods"),
    [
        ("nameserver 127.0.0.53\nsearch example.org\n", ""),
        ("# mine\nnameserver 192.0.2.53\nnameserver 127.0.0.1\noptions edns0\n", "nameserver 192.0.2.53\n"),
    ],
)
def test_pods_are_not_sent_to_a_name_server_on_loopback(machines: str, pods: str) -> None:
    assert resolv_conf(machines) == pods

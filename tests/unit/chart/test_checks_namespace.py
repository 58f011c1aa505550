"""The namespace of checks: what is let in there, whom it reaches, and what of a host may be listed at all."""

import json
from typing import Any

import jsonschema_rs
import pytest

from tests.unit.chart.rendering import CHART, Object, refusal, render

pytestmark = pytest.mark.programs

CHECKS = "opsjobs-checks"


def level(**preflight: Any) -> str:
    """The Pod Security level that is enforced."""
    labels = render({"preflight": preflight}).one("Namespace", CHECKS)["metadata"]["labels"]
    levels = {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "audit", "warn")}
    (found,) = levels
    return str(found)


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"procMount": "Default", "privileged": False, "runAsUser": 0},
        {"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "CHOWN"]}},
        {"seccompProfile": {"type": "Localhost", "localhostProfile": "check.json"}},
    ],
)
def test_where_checks_ask_for_no_more_pod_security_holds_them_to_baseline(context: Object) -> None:
    assert level(securityContext=context) == "baseline"


@pytest.mark.parametrize(
    "preflight",
    [
        {"hostPaths": ["/data"]},
        {"securityContext": {"privileged": True}},
        {"securityContext": {"capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}},
        {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
        {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
        {"securityContext": {"procMount": "Unmasked"}},
        {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}},
    ],
)
def test_where_they_ask_for_more_admission_holds_them_to_exactly_that(preflight: Object) -> None:
    assert level(**preflight) == "privileged"


def test_a_namespace_of_ones_own_is_left_alone() -> None:
    rendered = render({"checks": {"createNamespace": False, "namespace": "mine"}})
    assert "mine" not in {item["metadata"]["name"] for item in rendered.kind("Namespace")}
    assert rendered.one("NetworkPolicy", CHECKS)["metadata"]["namespace"] == "mine"


@pytest.mark.parametrize("name", ["opsjobs", "opsjobs-jobs"])
def test_checks_share_a_namespace_with_nothing_of_ours(name: str) -> None:
    assert "checks.namespace" in refusal({"checks": {"namespace": name}})


def test_limits_and_a_quota_are_values() -> None:
    assert not render({}).kind("LimitRange")
    assert not render({}).kind("ResourceQuota")
    limits = [{"type": "Container", "default": {"memory": "4Gi"}}]
    rendered = render({"checks": {"limits": limits, "quota": {"pods": 1000}}})
    assert rendered.one("LimitRange", CHECKS)["spec"] == {"limits": limits}
    assert rendered.one("ResourceQuota", CHECKS)["spec"] == {"hard": {"pods": 1000}}
    assert rendered.one("ResourceQuota", CHECKS)["metadata"]["namespace"] == CHECKS


def policy(**values: Any) -> Object:
    found: Object = render({"checks": {"networkPolicy": values}}).one("NetworkPolicy", CHECKS)["spec"]
    return found


def test_checks_reach_each_other_and_dns_alone() -> None:
    spec = policy()
    assert spec["podSelector"] == {}
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [{"from": [{"podSelector": {}}]}]
    each_other, dns = spec["egress"]
    assert each_other == {"to": [{"podSelector": {}}]}
    assert {port["port"] for port in dns["ports"]} == {53}
    assert all("namespaceSelector" in peer for peer in dns["to"])


def test_no_network_policy_where_another_tool_writes_them() -> None:
    assert not render({"checks": {"networkPolicy": {"enabled": False}}}).kind("NetworkPolicy")


def called(*peers: Object, **values: Any) -> list[Object]:
    """What checks may call beside each other and DNS."""
    found: list[Object] = policy(to=list(peers), **values)["egress"][-1]["to"]
    return found


def blocks(*cidrs: str, **values: Any) -> list[Object]:
    """The same of networks."""
    return [peer["ipBlock"] for peer in called(*({"ipBlock": {"cidr": cidr}} for cidr in cidrs), **values)]


def test_the_metadata_service_is_left_out_of_a_network_around_it() -> None:
    around = ["0.0.0.0/0", "169.0.0.0/8", "168.0.0.0/7", "169.254.0.0/15", "128.0.0.0/1"]
    assert blocks(*around) == [{"cidr": cidr, "except": ["169.254.0.0/16"]} for cidr in around]
    (peer,) = called({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.1.0.0/16"]}})
    assert peer["ipBlock"]["except"] == ["169.1.0.0/16", "169.254.0.0/16"]


def test_another_network_is_as_it_was_given() -> None:
    others = ["10.0.0.0/8", "169.253.0.0/16", "169.255.0.0/16", "170.0.0.0/8", "fd00::/64"]
    assert blocks(*others) == [{"cidr": cidr} for cidr in others]


def test_peers_by_label_are_as_they_were_given() -> None:
    peer = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    assert called(peer) == [peer]


@pytest.mark.parametrize("cidr", ["169.254.0.0/16", "169.254.169.254/32"])
def test_the_metadata_service_is_no_peer(cidr: str) -> None:
    assert "no check may call" in refusal({"checks": {"networkPolicy": {"to": [{"ipBlock": {"cidr": cidr}}]}}})


def test_the_api_server_is_no_peer() -> None:
    (block,) = blocks("10.0.0.0/8", apiServer=["10.96.0.1/32", "192.168.7.1/32"])
    assert block["except"] == ["10.96.0.1/32"]
    at_it = {"to": [{"ipBlock": {"cidr": "10.96.0.1/32"}}], "apiServer": ["10.96.0.1/32"]}
    assert "no check may call" in refusal({"checks": {"networkPolicy": at_it}})


#: Directories that make whoever reads them root, or close to it.
SYSTEMS = [
    *("/run", "/run/containerd", "/var/run", "/var/run/docker.sock", "/proc", "/sys/fs", "/dev", "/etc", "/root/.ssh"),
    *("/var", "/var/lib", "/var/lib/kubelet", "/var/lib/kubelet/pods", "/var/lib/containerd", "/var/lib/docker"),
    *("/var/lib/etcd", "/var/lib/rancher", "/var/lib/rancher/k3s", "/etc/kubernetes"),
]
#: Directories of which the host runs what lies there.
RUN_FROM = ["/var/log", "/usr", "/usr/local/bin", "/bin", "/lib", "/lib64", "/boot", "/opt/cni", "/home", "/var/spool"]
FINE = ["/data", "/nfs_models", "/mnt/share", "/var/lib/models", "/runs", "/device", "/varia", "/srv"]


SCHEMA = jsonschema_rs.validator_for(json.loads((CHART / "values.schema.json").read_text()))


def may_list(path: str, *, writable: bool) -> bool:
    return SCHEMA.is_valid({"preflight": {"hostPaths": [path], "hostPathsWritable": writable}})


@pytest.mark.parametrize("path", ["/", *SYSTEMS])
def test_no_check_mounts_the_systems_own_directories(path: str) -> None:
    assert not may_list(path, writable=False)
    assert not may_list(path, writable=True)


@pytest.mark.parametrize("path", RUN_FROM)
def test_no_check_writes_where_the_host_runs_from(path: str) -> None:
    assert may_list(path, writable=False)
    assert not may_list(path, writable=True)


@pytest.mark.parametrize("path", FINE)
def test_other_directories_may_be_listed(path: str) -> None:
    assert may_list(path, writable=True)


def test_helm_reads_the_schema_so_too() -> None:
    assert "hostPaths" in refusal({"preflight": {"hostPaths": ["/var/lib/kubelet"]}})
    assert "hostPaths" in refusal({"preflight": {"hostPaths": ["/usr"], "hostPathsWritable": True}})

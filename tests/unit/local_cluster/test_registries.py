"""The local cluster's registries: one set of names and addresses, wherever they are written."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_cluster import registries
from local_cluster.argo import MANIFESTS
from local_cluster.control_plane import CA_CERTIFICATE
from local_cluster.network import SERVICE_CIDR
from local_cluster.product import VALUES
from local_cluster.registries import DOCKER_HUB, HARBOR, REGISTRIES, Registry


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((MANIFESTS / name).read_text()))


def values() -> Any:
    return yaml.safe_load(Path(VALUES).read_text())


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.name)
def test_pods_find_by_name_what_nodes_are_told(registry: Registry) -> None:
    (config,) = (item["data"]["Corefile"] for item in documents("coredns.yaml") if item["kind"] == "ConfigMap")
    (line,) = (line.split() for line in config.splitlines() if line.strip().startswith(registry.address))
    assert set(line[1:]) == set(registry.names) - {"docker.io"}
    assert registry.address.startswith(SERVICE_CIDR.removesuffix("0.0/16"))


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.name)
def test_containerd_asks_nobody_else(registry: Registry) -> None:
    told = tomllib.loads(registries.hosts_toml(registry))
    url = f"https://{registry.address}"
    assert told == {"server": url, "host": {url: {"capabilities": ["pull", "resolve"], "ca": CA_CERTIFICATE}}}


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.name)
def test_each_has_its_settings(registry: Registry) -> None:
    (settings,) = (item["data"] for item in documents("registries.yaml") if item["kind"] == "ConfigMap")
    found = yaml.safe_load(settings[f"{registry.name}.yaml"])
    assert found["http"]["tls"]["certificate"].endswith("tls.crt")
    assert ("auth" in found) is (registry is HARBOR)


def test_the_chart_is_told_of_the_teams_own() -> None:
    assert values()["exportImage"] == {
        "registry": HARBOR.names[0],
        "existingSecret": registries.SECRET,
        "caConfigMap": registries.CONFIG_MAP,
    }


def test_addresses_and_ports_are_not_shared() -> None:
    assert DOCKER_HUB.address != HARBOR.address
    assert DOCKER_HUB.node_port != HARBOR.node_port

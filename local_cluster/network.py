"""Addresses: a Docker network of its own, and in it one fixed address and one pod range per node."""

import ipaddress
import json
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass

import docker
from docker.models.networks import Network

from local_cluster import daemon
from local_cluster.cluster_settings import Settings
from local_cluster.stages import Stage, StageError

MAX_NODES = 40
FIRST_HOST = 10
POD_PREFIX = "10.244"
SERVICE_CIDR = "10.96.0.0/16"
DNS_ADDRESS = "10.96.0.10"
API_ADDRESS = "10.96.0.1"
#: A NodePort answers only once kube-proxy knows of it.
PORT_SECONDS = 120.0


def free_subnet(taken: Iterable[str]) -> str:
    """Choose a /24 that overlaps nothing in `taken` (what the machine and Docker route already, in CIDR).

    Raises StageError when every candidate is taken.
    """
    used = [ipaddress.ip_network(cidr, strict=False) for cidr in taken]
    for third in range(256):
        candidate = ipaddress.ip_network(f"172.30.{third}.0/24")
        if not any(candidate.overlaps(other) for other in used if other.version == candidate.version):
            return str(candidate)
    raise StageError("every network from 172.30.0.0/24 to 172.30.255.0/24 is in use on this machine")


def wait_for_port(address: str, port: int, stage: Stage, seconds: float = PORT_SECONDS) -> None:
    """Wait until a process listens there; raises StageError with the last error where none does."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((address, port), timeout=5).close()
        except OSError as refused:
            if time.monotonic() > deadline:
                raise StageError(f"nothing listens at {address}:{port} after {seconds:g} s: {refused}") from refused
            stage.note(str(refused))
            time.sleep(0.5)
        else:
            return


@dataclass(frozen=True)
class Address:
    """Where one node lives: index 0 is the control plane, nodes count from 1."""

    subnet: str
    index: int

    @property
    def prefix(self) -> str:
        return self.subnet.rsplit(".", 1)[0]

    @property
    def ip(self) -> str:
        return f"{self.prefix}.{FIRST_HOST + self.index}"

    @property
    def pod_cidr(self) -> str:
        return f"{POD_PREFIX}.{self.index}.0/24"


def find_network(settings: Settings) -> Network | None:
    found = daemon.client().networks.list(filters={"label": settings.label})
    return found[0] if found else None


def ensure_network(settings: Settings, stage: Stage) -> Network:
    """Find the cluster's network or make it on a subnet that is free."""
    existing = find_network(settings)
    if existing is not None:
        return existing
    client = daemon.client()
    subnet = free_subnet(_taken_subnets(client, stage))
    stage.note(f"network {settings.name} on {subnet}")
    pool = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=subnet)])
    return client.networks.create(settings.name, driver="bridge", ipam=pool, labels=settings.labels)


def subnet_of(network: Network) -> str:
    network.reload()
    return str(network.attrs["IPAM"]["Config"][0]["Subnet"])


def _taken_subnets(client: docker.DockerClient, stage: Stage) -> list[str]:
    routes = json.loads(stage.run(["ip", "-json", "-4", "route"]))
    routed = [route["dst"] for route in routes if route["dst"] != "default"]
    pools = [pool for network in client.networks.list() for pool in network.attrs["IPAM"]["Config"] or []]
    return routed + [pool["Subnet"] for pool in pools if "Subnet" in pool]

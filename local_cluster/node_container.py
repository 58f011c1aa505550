"""A node: a container with systemd as its first process, that boots, reboots and comes back as a machine does."""

import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from docker.errors import NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import EndpointConfig, Mount

from local_cluster import daemon
from local_cluster.cluster_settings import Settings
from local_cluster.network import FIRST_HOST, MAX_NODES, POD_PREFIX, SERVICE_CIDR, Address

# Its reaper is an image of its own that nothing here can pull; what we make is found again by its label.
os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
from testcontainers.core.container import DockerContainer

KEY = "opsjob.io/local-cluster-key"
#: Counts up when a container must be made differently, so that one of an older make is not adopted.
MAKE = "1"
CONTROL_PLANE_TAINT = "node-role.kubernetes.io/control-plane=:NoSchedule"
# What --privileged would give, less the one right that not every machine has to give.
SECURITY = {
    "cap_add": ["ALL"],
    "cap_drop": ["SYS_RESOURCE"],
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
    "device_cgroup_rules": ["a *:* rwm"],
    "cgroupns": "private",
}


@dataclass(frozen=True)
class Node:
    """One node of the cluster, whether its container exists or not."""

    settings: Settings
    address: Address

    @property
    def name(self) -> str:
        """Its name in Kubernetes."""
        return f"node-{self.address.index}" if self.address.index else "control-plane"

    @property
    def container_name(self) -> str:
        return f"{self.settings.name}-{self.name}"

    @property
    def volume(self) -> str:
        return f"{self.container_name}-var"

    def container(self) -> Container | None:
        try:
            return daemon.client().containers.get(self.container_name)
        except NotFound:
            return None

    def environment(self) -> str:
        """Write the facts its units read."""
        facts = {
            "NODE_NAME": self.name,
            "NODE_IP": self.address.ip,
            "NODE_INDEX": self.address.index,
            "NODE_PREFIX": self.address.prefix,
            "NODE_TAINTS": "" if self.address.index else CONTROL_PLANE_TAINT,
            "POD_CIDR": self.address.pod_cidr,
            "POD_PREFIX": POD_PREFIX,
            "SERVICE_CIDR": SERVICE_CIDR,
            "FIRST_HOST": FIRST_HOST,
            "MAX_NODES": MAX_NODES,
        }
        return "".join(f"{name}={value}\n" for name, value in facts.items())

    def files(self) -> dict[str, bytes]:
        """List the files that make a booted container this node, by path; its credentials come on top."""
        return {
            "/etc/kubernetes/node.env": self.environment().encode(),
            "/etc/kubernetes/resolv.conf": resolv_conf(Path("/etc/resolv.conf").read_text()).encode(),
            "/etc/cni/net.d/10-pods.conflist": json.dumps(self._pod_network()).encode(),
        }

    def start(self, image: str, network: Network, programs: Path, key: str, credentials: Mapping[str, bytes]) -> None:
        """Make and boot the container; files are in it before systemd is, so a half-made node never boots."""
        daemon.client().volumes.create(self.volume, labels=self.settings.labels)
        container = DockerContainer(image, {"timeout": daemon.TIMEOUT_SECONDS}, name=self.container_name).with_kwargs(
            hostname=self.name,
            labels={**self.settings.labels, KEY: key},
            restart_policy={"Name": "always"},
            devices=["/dev/kmsg:/dev/kmsg"],
            network=network.name,
            networking_config={network.name: EndpointConfig("1.41", ipv4_address=self.address.ip)},
            mounts=[Mount("/var", self.volume), Mount("/opt/kubernetes", str(programs), type="bind", read_only=True)],
            **SECURITY,
        )
        container.tmpfs = {"/run": "exec", "/tmp": "exec"}  # noqa: S108 - the node's own, not the machine's
        for path, content in {**self.files(), **credentials}.items():
            container.with_copy_into_container(content, path, 0o600 if path.endswith((".key", "config")) else 0o644)
        container.start()

    def read(self, path: str) -> bytes:
        """Read one file out of the container; raises NotFound where it is not there."""
        container = self.container()
        if container is None:
            raise NotFound(f"{self.container_name} does not exist")
        chunks, _ = container.get_archive(path)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            member = archive.extractfile(archive.getmembers()[0])
            return member.read() if member else b""

    def execute(self, *command: str) -> tuple[int, str]:
        """Run a command in the node and return its exit code and output."""
        container = self.container()
        if container is None:
            return 127, f"{self.container_name} does not exist"
        done = container.exec_run(list(command))
        return int(done.exit_code), done.output.decode(errors="replace")

    def remove(self) -> None:
        """Remove the container and its volume, in whatever state they are."""
        container = self.container()
        if container is not None:
            container.remove(force=True, v=True)
        try:
            daemon.client().volumes.get(self.volume).remove(force=True)
        except NotFound:
            return

    def _pod_network(self) -> dict[str, object]:
        bridge = {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": self.address.pod_cidr}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                # On a tmpfs: no pod outlives a reboot, and none of its addresses should either.
                "dataDir": "/run/cni-addresses",
            },
        }
        portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]}


def resolv_conf(machines: str) -> str:
    """Keep of the machine's resolv.conf what still holds inside a pod: name servers that are not on loopback."""
    kept = [line for line in machines.splitlines() if line.startswith("nameserver ") and " 127." not in line]
    return "".join(f"{line}\n" for line in kept)

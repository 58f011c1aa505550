"""Brings the cluster up from whatever is there: a healthy one is adopted, the rest is mended or made anew."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker

from local_cluster import binaries, daemon, image_builds
from local_cluster.binaries import KUBERNETES
from local_cluster.cluster_settings import BUILD, Settings
from local_cluster.control_plane import ADMIN_CONFIG, authority_of, control_plane_files, node_files, server_url
from local_cluster.kubectl import Kubectl
from local_cluster.network import MAX_NODES, Address, ensure_network, find_network, subnet_of
from local_cluster.node_container import KEY, MAKE, Node
from local_cluster.pki import Authority
from local_cluster.shipping import saved, ship
from local_cluster.stages import Stage, StageError, Stages

API_SECONDS = 90
NODE_SECONDS = 120
MENDING_SECONDS = 45
#: Which images a node took whole, by id.
MARKS = "/var/lib/opsjobs-images"
LOADERS = 2
KUBECONFIG = BUILD / "kubeconfig"
BIN = BUILD / "bin"


class Cluster:
    """The control plane and its nodes, on the Docker network they share."""

    def __init__(self, settings: Settings, stages: Stages) -> None:
        self.settings = settings
        self.stages = stages
        self.kubectl = Kubectl(KUBECONFIG, BIN / "kubectl")

    def up(self) -> None:
        """Have the API answer and every node Ready with the cluster's images on it.

        Raises StageError where that cannot be had.
        """
        if not 1 <= self.settings.nodes <= MAX_NODES:
            raise StageError(f"a local cluster has 1 to {MAX_NODES} nodes, not {self.settings.nodes}")
        binaries.build_all(self.stages, self.settings.cache)
        binaries.link_all(self.settings.cache, BIN)
        image = image_builds.node_image(self.settings, self.stages)
        tags = image_builds.build_cluster_images(self.settings, self.stages)
        with self.stages.stage("Control plane") as stage:
            self._ensure_control_plane(image, stage)
        with self.stages.stage("Nodes") as stage:
            self._ensure_nodes(image, stage)
        with self.stages.stage("Loading images into the nodes") as stage:
            self.load(tags, stage)

    def adopt(self) -> None:
        """Take the cluster that runs as it is, from whichever checkout; raises StageError where none does."""
        if not daemon.answers() or not self._containers():
            raise StageError("no cluster is up: make up")
        binaries.link_all(self.settings.cache, BIN)
        with self.stages.stage("Adopting the cluster") as stage:
            if not self._answers(self.nodes()[0], stage):
                raise StageError("the cluster that is there does not answer; make up mends it")

    def nodes(self) -> list[Node]:
        """Every node there is, the control plane first, also those beyond what this run asked for."""
        network = find_network(self.settings)
        if network is None:
            return []
        subnet = subnet_of(network)
        everyone = [Node(self.settings, Address(subnet, index)) for index in range(MAX_NODES + 1)]
        existing = {container.name for container in self._containers()}
        return [node for node in everyone if node.container_name in existing]

    def load(self, tags: list[str], stage: Stage) -> None:
        """Put images into every node that does not hold them yet; an image is known by its id, not its name."""
        ids = {tag: str(daemon.client().images.get(tag).id).removeprefix("sha256:") for tag in tags}
        lacking = [node for node in self.nodes() if not set(ids.values()) <= set(_marks(node))]
        if not lacking:
            return
        with saved(tags) as layout, ThreadPoolExecutor(LOADERS) as pool:
            for words in pool.map(lambda node: ship(layout, node), lacking):
                stage.note(words)
        for node in lacking:
            node.execute("mkdir", "-p", MARKS)
            node.execute("touch", *(f"{MARKS}/{id_}" for id_ in ids.values()))

    def _ensure_control_plane(self, image: str, stage: Stage) -> None:
        node = Node(self.settings, Address(subnet_of(ensure_network(self.settings, stage)), 0))
        if self._is_of_this_make(node, image) and self._answers(node, stage):
            return
        stage.note("no control plane to adopt: making the cluster anew")
        down(self.settings)
        network = ensure_network(self.settings, stage)
        node = Node(self.settings, Address(subnet_of(network), 0))
        files = control_plane_files(node, Authority.new())
        node.start(image, network, self._programs, self._key(image), files)
        self._write_kubeconfig(files[ADMIN_CONFIG])
        self.kubectl.wait_until_ready(stage, API_SECONDS)

    def _ensure_nodes(self, image: str, stage: Stage) -> None:
        network = ensure_network(self.settings, stage)
        subnet = subnet_of(network)
        control_plane = Node(self.settings, Address(subnet, 0))
        wanted = [Node(self.settings, Address(subnet, index)) for index in range(1, self.settings.nodes + 1)]
        self._mend(wanted, image, stage)
        missing = [node for node in wanted if node.container() is None]
        if missing:
            # What Kubernetes remembers of a node whose container is gone is of no use to its successor.
            self.kubectl.run(stage, "delete", "node", "--ignore-not-found", *(node.name for node in missing))
        authority = authority_of(control_plane)
        for node in missing:
            credentials = node_files(node, authority, server_url(control_plane))
            node.start(image, network, self._programs, self._key(image), credentials)
        self.kubectl.wait_for_nodes(stage, [control_plane.name, *(node.name for node in wanted)], NODE_SECONDS)
        role = "node-role.kubernetes.io/control-plane="
        self.kubectl.run(stage, "label", "--overwrite", "node", control_plane.name, role)

    def _mend(self, wanted: list[Node], image: str, stage: Stage) -> None:
        """Remove nodes that are half made, of another make, or do not become Ready in good time."""
        for node in wanted:
            if node.container() is not None and not self._is_of_this_make(node, image):
                self._remove(node, stage)
        names = {node.name for node in wanted if node.container() is not None}
        try:
            self.kubectl.wait_for_nodes(stage, sorted(names), MENDING_SECONDS)
        except StageError:
            ready = self.kubectl.ready_nodes(stage)
            for node in wanted:
                if node.name in names - ready:
                    self._remove(node, stage)

    def _remove(self, node: Node, stage: Stage) -> None:
        stage.note(f"{node.name} is not fit to adopt: making it anew")
        node.remove()

    def _answers(self, control_plane: Node, stage: Stage) -> bool:
        try:
            self._write_kubeconfig(control_plane.read(ADMIN_CONFIG))
            self.kubectl.wait_until_ready(stage, MENDING_SECONDS)
        except (StageError, docker.errors.APIError) as failed:
            stage.note(f"the control plane that is there does not answer: {failed}")
            return False
        return True

    def _is_of_this_make(self, node: Node, image: str) -> bool:
        container = node.container()
        return container is not None and container.status == "running" and container.labels.get(KEY) == self._key(image)

    def _key(self, image: str) -> str:
        return image_builds.digest([image, self._programs.name, MAKE])

    @property
    def _programs(self) -> Path:
        return KUBERNETES.folder(self.settings.cache)

    def _write_kubeconfig(self, content: bytes) -> None:
        KUBECONFIG.parent.mkdir(parents=True, exist_ok=True)
        KUBECONFIG.touch(mode=0o600)
        KUBECONFIG.write_bytes(content)

    def _containers(self) -> list[docker.models.containers.Container]:
        return list(daemon.client().containers.list(all=True, filters={"label": self.settings.label}))


def _marks(node: Node) -> list[str]:
    return node.execute("ls", MARKS)[1].split()


def down(settings: Settings) -> None:
    """Remove every container, volume and network of the cluster, found by label."""
    client = daemon.client()
    chosen = {"label": settings.label}
    with ThreadPoolExecutor() as pool:
        containers = client.containers.list(all=True, filters=chosen)
        list(pool.map(lambda container: container.remove(force=True, v=True), containers))
    for volume in client.volumes.list(filters=chosen):
        volume.remove(force=True)
    for network in client.networks.list(filters=chosen):
        network.remove()

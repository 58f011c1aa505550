"""Container images, all made here: no registry is asked for one.

An image's tag, or the marker label on it, is a hash of what it is made from, so nothing stale is taken for current.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from docker.errors import BuildError, ImageNotFound

from local_cluster import daemon
from local_cluster.binaries import ARGO, PROGRAMS, REGISTRY, argo_server
from local_cluster.cluster_settings import ARGO_VERSION, Settings
from local_cluster.machine import BUSYBOX
from local_cluster.stages import Stage, StageError, Stages

SUITE = "bookworm"
ROOTFS = Path(__file__).parent / "rootfs"
PYTHON_PACKAGES = ("python3", "ca-certificates")
NODE_PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "containerd", "runc", "containernetworking-plugins", "iptables", "conntrack",
    "iproute2", "ethtool", "socat", "kmod", "procps", "ca-certificates",
)  # fmt: skip
MASKED_UNITS = (
    "systemd-udevd.service", "systemd-udev-trigger.service", "systemd-modules-load.service",
    "systemd-remount-fs.service",
    "getty.target", "console-getty.service", "dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount", "sys-kernel-config.mount", "sys-fs-fuse-connections.mount",
    "systemd-resolved.service", "systemd-networkd.service", "apt-daily.timer", "apt-daily-upgrade.timer",
)  # fmt: skip
NODE_UNITS = (
    "containerd", "pod-routes", "kubelet", "kube-proxy",
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
)  # fmt: skip
MARK = "opsjob.io/made-from"


@dataclass(frozen=True)
class Scratch:
    """An image that is one static program under its official name, so that official manifests apply unchanged."""

    tag: str
    program: Path
    entrypoint: tuple[str, ...]
    user: str = "65532"
    path: str = "/bin"


def cluster_images(cache: Path) -> list[Scratch]:
    """List what every node holds before the first pod starts."""
    argo = ARGO.folder(cache)
    coredns, versitygw = (
        next(program for program in PROGRAMS if program.name == name).folder(cache) for name in ("coredns", "versitygw")
    )
    version = f"v{ARGO_VERSION}"
    return [
        Scratch(
            "registry.k8s.io/pause:opsjobs",
            Path(shutil.which("catatonit") or "/usr/bin/catatonit"),
            ("catatonit", "-P"),
        ),
        Scratch("registry.k8s.io/coredns/coredns:opsjobs", coredns / "coredns", ("coredns",)),
        Scratch(
            f"quay.io/argoproj/workflow-controller:{version}", argo / "workflow-controller", ("workflow-controller",)
        ),
        # The executor copies itself into pods of any user, root among them.
        Scratch(f"quay.io/argoproj/argoexec:{version}", argo / "argoexec", ("argoexec",), user="0"),
        Scratch(f"quay.io/argoproj/argocli:{version}", argo_server(cache), ("argo",)),
        Scratch("versity/versitygw:opsjobs", versitygw / "versitygw", ("versitygw",), user="0"),
        Scratch("registry:opsjobs", REGISTRY.folder(cache) / "registry", ("registry",)),
        Scratch("busybox:opsjobs", BUSYBOX, ("/bin/busybox",), user="0"),
    ]


def build_cluster_images(settings: Settings, stages: Stages) -> list[str]:
    """Make every image of the cluster that Docker does not hold, and return their tags."""
    images = cluster_images(settings.cache)
    with stages.stage("Making images") as stage:
        for image in images:
            _build_scratch(image, settings, stage)
    return [image.tag for image in images]


def node_image(settings: Settings, stages: Stages) -> str:
    """Make the image of a node (Debian, systemd, containerd and our units) and return its tag."""
    key = digest([*NODE_PACKAGES, *MASKED_UNITS, *NODE_UNITS], ROOTFS)
    tag = f"opsjobs-node:{key}"
    if present(tag):
        return tag
    base = debian_base("opsjobs-node-base", NODE_PACKAGES, settings, stages)
    with stages.stage("Making the node image") as stage, tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copytree(ROOTFS, context / "rootfs")
        (context / "Dockerfile").write_text(
            f"FROM {base}\n"
            "COPY rootfs /\n"
            f"RUN systemctl mask {' '.join(MASKED_UNITS)} && systemctl enable {' '.join(NODE_UNITS)}"
            " && truncate -s 0 /etc/machine-id && mkdir -p /etc/containerd/certs.d /etc/cni/net.d\n"
            "STOPSIGNAL SIGRTMIN+3\n"
            'ENTRYPOINT ["/usr/local/bin/node-entrypoint"]\n'
        )
        build(context, tag, settings.labels, stage)
    return tag


def python_base(settings: Settings, stages: Stages) -> str:
    """Make the base the product image is built on here, where no public one can be pulled, and return its tag."""
    return debian_base("opsjobs-python", PYTHON_PACKAGES, settings, stages)


def debian_base(name: str, packages: Iterable[str], settings: Settings, stages: Stages) -> str:
    """Import a minimal Debian with these packages; its archive stays in the cache, should Docker's store be lost."""
    wanted = sorted(packages)
    tag = f"{name}:{digest([SUITE, *wanted])}"
    if present(tag):
        return tag
    archive = settings.cache / "images" / f"{tag.replace(':', '-')}.tar"
    if not archive.exists():
        with stages.stage(f"Gathering Debian for {name}", "1 min") as stage:
            _debootstrap(wanted, archive, stage)
    with stages.stage(f"Importing {name}") as stage:
        stage.run(["docker", "import", archive, tag])
    return tag


def build(
    context: Path, tag: str, labels: Mapping[str, str], stage: Stage, arguments: Mapping[str, str] | None = None
) -> None:
    """Build an image by the Docker daemon itself, for which no build plugin is needed.

    Raises StageError with the step that failed.
    """
    try:
        client = daemon.client()
        _, lines = client.images.build(
            path=str(context), tag=tag, buildargs=dict(arguments or {}), labels=dict(labels), rm=True, forcerm=True
        )
    except BuildError as failed:
        for line in failed.build_log:
            stage.note(str(line.get("stream", line)).rstrip())
        raise StageError(f"the image {tag} was not built: {failed.msg}") from failed
    for line in lines:
        stage.note(str(line.get("stream", "")).rstrip())


def digest(words: Iterable[str], *trees: Path) -> str:
    """Hash words and every file (path, mode, content) below `trees` into twelve letters fit for a tag."""
    hashed = hashlib.sha256("\n".join(words).encode())
    for tree in trees:
        files = [tree] if tree.is_file() else sorted(path for path in tree.rglob("*") if path.is_file())
        for file in files:
            if "__pycache__" in file.parts:
                continue
            hashed.update(f"{file.relative_to(tree)}{file.stat().st_mode & 0o111}".encode())
            hashed.update(file.read_bytes())
    return hashed.hexdigest()[:12]


def _debootstrap(packages: list[str], archive: Path, stage: Stage) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".partial.tar")
    unfinished.unlink(missing_ok=True)
    command: list[str | Path] = [
        "mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}",
        '--aptopt=APT::Install-Recommends "false"',
        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        SUITE, unfinished,
    ]  # fmt: skip
    mirror = os.environ.get("OPSJOBS_DEBIAN_MIRROR")
    stage.run([*command, mirror] if mirror else command)
    unfinished.rename(archive)


def _build_scratch(image: Scratch, settings: Settings, stage: Stage) -> None:
    # The program's folder in the cache is named by a hash; a Debian program changes size or time with its version.
    facts = image.program.stat()
    mark = digest([str(image.program), str(facts.st_size), str(facts.st_mtime_ns), *image.entrypoint, image.user])
    if present(image.tag, mark):
        return
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copyfile(image.program, context / "program")
        (context / "program").chmod(0o755)
        (context / "tmp").mkdir()
        entrypoint = ", ".join(f'"{word}"' for word in image.entrypoint)
        (context / "Dockerfile").write_text(
            "FROM scratch\n"
            f"COPY program {image.path}/{image.program.name}\n"
            "COPY tmp /tmp\n"
            f"ENV PATH={image.path}\n"
            f"USER {image.user}\n"
            f"ENTRYPOINT [{entrypoint}]\n"
        )
        build(context, image.tag, {**settings.labels, MARK: mark}, stage)


def present(tag: str, mark: str = "") -> bool:
    try:
        image = daemon.client().images.get(tag)
    except ImageNotFound:
        return False
    return not mark or image.labels.get(MARK) == mark

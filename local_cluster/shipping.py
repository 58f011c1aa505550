"""Carries images from Docker into the nodes, each layer once: a node is sent only the blobs that it does not hold yet.

What Docker saves is laid out as an OCI image layout; containerd takes such an archive with blobs left out when they
are in its store already. A changed source file so costs one small layer, not the whole image, on every node.
"""

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_cluster.node_container import Node
from local_cluster.stages import StageError

GZIP_MAGIC = b"\x1f\x8b"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CTR = ("ctr", "--namespace", "k8s.io")


@dataclass(frozen=True)
class Layout:
    """Images as an OCI layout in a folder: `index` names them, `blobs` are the files by digest without `sha256:`."""

    folder: Path
    index: dict[str, Any]
    blobs: frozenset[str]


@contextmanager
def saved(tags: Sequence[str]) -> Iterator[Layout]:
    """Lay out images that Docker holds, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="opsjobs-images-") as scratch:
        archive = Path(scratch) / "saved.tar"
        done = subprocess.run(["docker", "save", "-o", archive, *tags], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StageError(f"docker save {' '.join(tags)}: {done.stderr}")
        folder = Path(scratch) / "blobs"
        folder.mkdir()
        yield laid_out(archive, folder)


def laid_out(archive: Path, folder: Path) -> Layout:
    """Turn an archive of `docker save` into blobs by digest and an index over them."""
    with tarfile.open(archive) as members:
        images = json.loads(_content(members, "manifest.json"))
        manifests = [manifest for image in images for manifest in _manifests(members, image, folder)]
    index = {"schemaVersion": 2, "manifests": manifests}
    return Layout(folder, index, frozenset(blob.name for blob in folder.iterdir()))


def ship(layout: Layout, node: Node) -> str:
    """Send a node what it lacks of the images and have containerd unpack them; returns containerd's words."""
    _, listed = node.execute(*CTR, "content", "ls", "-q")
    held = {line.strip().removeprefix("sha256:") for line in listed.splitlines()}
    command = ["docker", "exec", "-i", node.container_name, *CTR, "images", "import", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as loading:
        if loading.stdin is None or loading.stdout is None:
            raise StageError("no pipe to the node")
        with loading.stdin, tarfile.open(fileobj=loading.stdin, mode="w|") as stream:
            _pack(layout, layout.blobs - held, stream)
        words = loading.stdout.read().decode(errors="replace")
    if loading.returncode != 0:
        raise StageError(f"{node.name} could not import the images: {words}")
    return words


def full_name(tag: str) -> str:
    """Spell a tag as Kubernetes does: `busybox:x` is `docker.io/library/busybox:x`."""
    first, slash, _ = tag.partition("/")
    if not slash:
        return f"docker.io/library/{tag}"
    return tag if "." in first or ":" in first or first == "localhost" else f"docker.io/{tag}"


def _manifests(members: tarfile.TarFile, image: dict[str, Any], folder: Path) -> Iterator[dict[str, Any]]:
    """Yield one entry of the index for each name of an image."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _blob(members, image["Config"], folder, CONFIG),
        "layers": [_blob(members, layer, folder, LAYER) for layer in image["Layers"]],
    }
    content = json.dumps(manifest).encode()
    digest = hashlib.sha256(content).hexdigest()
    (folder / digest).write_bytes(content)
    for tag in image["RepoTags"]:
        names = {
            "io.containerd.image.name": full_name(tag),
            "org.opencontainers.image.ref.name": tag.rpartition(":")[2],
        }
        yield {"mediaType": MANIFEST, "digest": f"sha256:{digest}", "size": len(content), "annotations": names}


def _blob(members: tarfile.TarFile, name: str, folder: Path, kind: str) -> dict[str, Any]:
    """Copy one member into the folder under its digest and describe it."""
    source = members.extractfile(name)
    if source is None:
        raise StageError(f"the saved image lacks {name}")
    unnamed = folder / "unnamed"
    hashed = hashlib.sha256()
    with unnamed.open("wb") as target:
        start = source.read(len(GZIP_MAGIC))
        target.write(start)
        hashed.update(start)
        while chunk := source.read(1 << 20):
            target.write(chunk)
            hashed.update(chunk)
    size = unnamed.stat().st_size
    shutil.move(unnamed, folder / hashed.hexdigest())
    compressed = kind == LAYER and start == GZIP_MAGIC
    media_type = f"{kind}+gzip" if compressed else kind
    return {"mediaType": media_type, "digest": f"sha256:{hashed.hexdigest()}", "size": size}


def _pack(layout: Layout, blobs: frozenset[str], stream: tarfile.TarFile) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in (("oci-layout", {"imageLayoutVersion": "1.0.0"}), ("index.json", layout.index)):
            file = Path(scratch) / name
            file.write_text(json.dumps(content))
            stream.add(file, arcname=name)
    for blob in sorted(blobs):
        stream.add(layout.folder / blob, arcname=f"blobs/sha256/{blob}")


def _content(members: tarfile.TarFile, name: str) -> bytes:
    file = members.extractfile(name)
    if file is None:
        raise StageError(f"the saved images lack {name}")
    return file.read()

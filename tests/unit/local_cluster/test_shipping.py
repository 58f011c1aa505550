import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from local_cluster.shipping import Layout, full_name, laid_out


def layout_of(tmp_path: Path, *images: dict[str, object], **members: bytes) -> Layout:
    """Lay out an archive as `docker save` writes it."""
    archive = tmp_path / "saved.tar"
    with tarfile.open(archive, "w") as saved:
        for name, content in {**members, "manifest.json": json.dumps(images).encode()}.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            saved.addfile(header, io.BytesIO(content))
    folder = tmp_path / "blobs"
    folder.mkdir()
    return laid_out(archive, folder)


def image(*layers: str, tag: str = "opsjobs:abc") -> dict[str, object]:
    return {"Config": "config", "Layers": list(layers), "RepoTags": [tag]}


def manifest(layout: Layout, number: int = 0) -> dict[str, list[dict[str, object]]]:
    digest = layout.index["manifests"][number]["digest"].removeprefix("sha256:")
    content: dict[str, list[dict[str, object]]] = json.loads((layout.folder / digest).read_text())
    return content


def test_every_blob_is_named_by_the_hash_of_what_it_holds(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, image("base", "top"), config=b"{}", base=b"debian", top=b"source")
    assert layout.blobs == {blob.name for blob in layout.folder.iterdir()}
    assert all(hashlib.sha256((layout.folder / blob).read_bytes()).hexdigest() == blob for blob in layout.blobs)


def test_layers_keep_their_order_and_say_their_size(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, image("base", "top"), config=b"{}", base=b"debian", top=b"code")
    assert [(layer["digest"], layer["size"]) for layer in manifest(layout)["layers"]] == [
        (f"sha256:{hashlib.sha256(b'debian').hexdigest()}", 6),
        (f"sha256:{hashlib.sha256(b'code').hexdigest()}", 4),
    ]


def test_a_layer_that_docker_keeps_compressed_is_told_as_such(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, image("plain", "packed"), config=b"{}", plain=b"x", packed=gzip.compress(b"y"))
    kinds = [str(layer["mediaType"]) for layer in manifest(layout)["layers"]]
    assert [kind.endswith("+gzip") for kind in kinds] == [False, True]


def test_images_share_what_they_have_in_common(tmp_path: Path) -> None:
    both = [image("base", tag="one:1"), image("base", tag="two:2")]
    layout = layout_of(tmp_path, *both, config=b"{}", base=b"debian")
    assert [one["annotations"]["io.containerd.image.name"] for one in layout.index["manifests"]] == [
        "docker.io/library/one:1",
        "docker.io/library/two:2",
    ]
    assert manifest(layout, 0) == manifest(layout, 1)
    assert len(layout.blobs) == 3


@pytest.mark.parametrize(
    ("tag", "spelt"),
    [
        ("busybox:x", "docker.io/library/busybox:x"),
        ("team/tool:x", "docker.io/team/tool:x"),
        ("quay.io/argoproj/argoexec:v4", "quay.io/argoproj/argoexec:v4"),
        ("localhost/tool:x", "localhost/tool:x"),
        ("registry:5000/tool:x", "registry:5000/tool:x"),
    ],
)
def test_a_tag_is_spelt_as_kubernetes_spells_it(tag: str, spelt: str) -> None:
    assert full_name(tag) == spelt

"""What a release hands out, in one folder with checksums: `python -m local_cluster.release [FOLDER]`.

The chart's package, the command line's wheel and its SBOM hold no time but the commit's, and no name of this machine:
made anew from the same commit they are the same bytes. The image is what `make image` builds; its SBOM lies beside it.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

import yaml

from local_cluster import product
from local_cluster.binaries import built_tool
from local_cluster.cluster_settings import BUILD, CHECKOUT, Settings
from local_cluster.stages import Stage, StageError, Stages, fail

CHECKSUMS = "SHA256SUMS"
IMAGE_SBOM = "/opt/opsjobs/sbom.cdx.json"


def parts(folder: Path, settings: Settings, stages: Stages, *, with_image: bool = True) -> None:
    """Make all of it in that folder, which is emptied first.

    Raises StageError where something is not built.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    helm = built_tool(settings.cache, "helm", stages)
    with stages.stage("Making the release") as stage:
        at = int(stage.run(["git", "log", "-1", "--format=%ct"], cwd=CHECKOUT))
        chart(folder, helm, at, stage)
        wheel(folder, at, stage)
    if with_image:
        tag = product.build_image(settings, stages)
        with stages.stage("Saving the image") as stage:
            image(folder, tag, stage)
    (folder / CHECKSUMS).write_text(checksums(folder))


def chart(folder: Path, helm: Path, at: int, stage: Stage) -> None:
    """Helm's package, packed again: Helm writes the time of packing into it."""
    with tempfile.TemporaryDirectory() as made:
        stage.run([helm, "package", product.CHART, "--destination", made])
        (package,) = Path(made).iterdir()
        (folder / package.name).write_bytes(packed_again(package, at))


def packed_again(package: Path, at: int) -> bytes:
    """A gzipped tar of the same files in the order of their names, all of them as old as `at`."""
    packed = io.BytesIO()
    with (
        tarfile.open(package) as before,
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=at) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as after,
    ):
        for member in sorted(before.getmembers(), key=lambda member: member.name):
            member.mtime, member.pax_headers = at, {}
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            after.addfile(member, before.extractfile(member))
    return packed.getvalue()


def wheel(folder: Path, at: int, stage: Stage) -> None:
    """The command line, and what it needs."""
    uv = os.environ.get("UV", "uv")
    then = {**os.environ, "SOURCE_DATE_EPOCH": str(at)}
    stage.run(
        [uv, "build", "--quiet", "--wheel", "--package", "opsjobs-cli", "--out-dir", folder], cwd=CHECKOUT, env=then
    )
    (folder / ".gitignore").unlink(missing_ok=True)
    export = [uv, "export", "--quiet", "--frozen", "--package", "opsjobs-cli", "--no-dev", "--format", "cyclonedx1.5"]
    document = json.loads(stage.run(export, cwd=CHECKOUT))
    # Both are new each time, and say nothing of what is in it.
    document.pop("serialNumber", None)
    document["metadata"].pop("timestamp", None)
    (folder / "opsjobs-cli.cdx.json").write_text(json.dumps(document, indent=2) + "\n")


def image(folder: Path, tag: str, stage: Stage) -> None:
    """The image under the version's name, and the document that lies in it."""
    version = yaml.safe_load((product.CHART / "Chart.yaml").read_text())["appVersion"]
    named = f"{product.REPOSITORY}:{version}"
    stage.run(["docker", "tag", tag, named])
    stage.run(["docker", "save", "--output", folder / f"opsjobs-image-{version}.tar", named])
    sbom = stage.run(["docker", "run", "--rm", "--network=none", "--entrypoint", "cat", tag, IMAGE_SBOM])
    (folder / "opsjobs-image.cdx.json").write_text(sbom)


def checksums(folder: Path) -> str:
    """As sha256sum writes and checks them."""
    files = sorted(path for path in folder.iterdir() if path.name != CHECKSUMS)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local_cluster.release", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=BUILD / "release")
    parser.add_argument("--no-image", dest="image", action="store_false", help="where there is no Docker daemon")
    given = parser.parse_args()
    try:
        parts(given.folder, Settings(), Stages(BUILD / "logs"), with_image=given.image)
    except StageError as failed:
        fail(str(failed))
    print((given.folder / CHECKSUMS).read_text(), end="")


if __name__ == "__main__":
    main()

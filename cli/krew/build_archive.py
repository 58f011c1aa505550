# ruff: noqa: INP001  # a script beside the package, not of it
"""The archive and the manifest that krew installs: python cli/krew/build_archive.py OUT [--uri WHERE-IT-WILL-BE].

One archive for every system: what has no pure Python is left out, and is not needed. The same checkout gives the same
bytes.
"""

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from string import Template

HERE = Path(__file__).parent
ARCHIVE = "kubectl-opsjobs.tar.gz"
MANIFEST = "opsjobs.yaml"
_LAUNCHER = "kubectl-opsjobs"
#: What an installation says of the machine that it was made on.
_OF_THIS_MACHINE = ("direct_url.json", "uv_cache.json", "INSTALLER", "REQUESTED", "RECORD", ".lock")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--uri", default=f"https://opsjobs.example.com/{ARCHIVE}")
    given = parser.parse_args()
    build(given.out, given.uri)


def build(out: Path, uri: str) -> None:
    """Write both into the folder; `uri` is where krew will find the archive."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "opsjobs"
        _install(root / "lib")
        shutil.copy(HERE / _LAUNCHER, root / _LAUNCHER)
        shutil.copy(HERE.parents[1] / "LICENSE", root / "LICENSE")
        _pack(root, out / ARCHIVE)
    version = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]["version"]
    digest = hashlib.sha256((out / ARCHIVE).read_bytes()).hexdigest()
    manifest = Template((HERE / MANIFEST).read_text()).substitute(version=version, uri=uri, sha256=digest)
    (out / MANIFEST).write_text(manifest)


def _install(lib: Path) -> None:
    """What uv.lock has of the command line's needs, and itself."""
    requirements = lib.with_name("requirements.txt")
    lib.parent.mkdir()
    chosen = ("--package", "opsjobs-cli", "--no-dev", "--no-emit-workspace", "--output-file", str(requirements))
    _uv("export", "--frozen", "--quiet", *chosen)
    target = ("--quiet", "--python", sys.executable, "--target", str(lib), "--link-mode", "copy", "--no-deps")
    _uv("pip", "install", *target, "--require-hashes", "-r", str(requirements))
    _uv("pip", "install", *target, str(HERE.parent))
    requirements.unlink()
    shutil.rmtree(lib / "bin", ignore_errors=True)
    for path in lib.rglob("*"):
        if path.suffix == ".so" or path.name in _OF_THIS_MACHINE:
            path.unlink()


def _uv(*words: str) -> None:
    command = [os.environ.get("UV", "uv"), *words]
    subprocess.run(command, check=True, cwd=HERE.parents[1], stdout=subprocess.DEVNULL)  # noqa: S603  # words of this module


def _pack(root: Path, archive: Path) -> None:
    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in _files(root):
            member = tarfile.TarInfo(str(path.relative_to(root)))
            member.size = path.stat().st_size
            member.mode = 0o755 if path.name == _LAUNCHER else 0o644
            with path.open("rb") as content:
                tar.addfile(member, content)


def _files(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)


if __name__ == "__main__":
    main()

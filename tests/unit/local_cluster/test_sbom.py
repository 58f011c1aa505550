"""The list of what is in the image: everything that is there, and nothing else."""

from importlib.metadata import distributions
from pathlib import Path

import pytest

from local_cluster import sbom
from local_cluster.cluster_settings import CHECKOUT

VERSION = "go1.26.0"
MODULES = (
    "path\texample.com/tool/cmd\n"
    "mod\texample.com/tool\tv1.2.3\th1:x=\n"
    "dep\texample.com/Other\tv2.0.0+incompatible\th1:y=\n"
    "build\t-trimpath=true\n"
)
DPKG = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2:2.36-9+deb12u10
Description: the library
 of everybody: C

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""


def program(folder: Path) -> Path:
    """A file with what the Go linker writes."""
    marked = b"M" * 16 + MODULES.encode() + b"N" * 16
    texts = bytes([len(VERSION)]) + VERSION.encode() + bytes([len(marked) & 0x7F | 0x80, len(marked) >> 7]) + marked
    file = folder / "tool"
    file.write_bytes(b"\x7fELF" + bytes(60) + b"\xff Go buildinf:" + bytes([8, 2]) + bytes(16) + texts + bytes(10))
    return file


def installed(folder: Path) -> None:
    for name, version in (("Typing_Extensions", "4.1"), ("httpx", "0.28.1")):
        home = folder / f"{name}-{version}.dist-info"
        home.mkdir(parents=True)
        text = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: MIT\n"
        (home / "METADATA").write_text(text)


def test_packages_modules_and_what_the_base_brings(tmp_path: Path) -> None:
    installed(tmp_path / "packages")
    (tmp_path / "status").write_text(DPKG)
    found = sbom.document(CHECKOUT / "pyproject.toml", tmp_path / "packages", [program(tmp_path)], tmp_path / "status")
    assert [part["purl"] for part in found["components"]] == [
        "pkg:deb/debian/libc6@2%3A2.36-9%2Bdeb12u10?arch=amd64",
        "pkg:golang/example.com/Other@v2.0.0%2Bincompatible",
        "pkg:golang/example.com/tool@v1.2.3",
        "pkg:golang/stdlib@1.26.0",
        "pkg:pypi/httpx@0.28.1",
        "pkg:pypi/typing-extensions@4.1",
    ]
    assert (found["bomFormat"], found["metadata"]["component"]["name"]) == ("CycloneDX", "opsjobs")
    assert found["components"][-1]["licenses"] == [{"expression": "MIT"}]


def test_what_is_no_program_of_go_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    with pytest.raises(ValueError, match="no build information of Go"):
        list(sbom.go(tmp_path / "script"))


def test_every_package_of_an_environment_is_in_it() -> None:
    home = Path(pytest.__file__).parents[1]
    names = {part["name"] for part in sbom.python(home)}
    assert names == {found.name.lower().replace("_", "-") for found in distributions(path=[str(home)])}

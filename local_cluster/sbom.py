"""What is in the product image, as a CycloneDX document: run while the image is built, with nothing but Python.

    python3 sbom.py PYPROJECT PACKAGES PROGRAM... > sbom.cdx.json

It looks at what is really there: the metadata of the installed Python packages, the modules that the Go linker wrote
into each program, and the packages of Debian. The same image always has the same document.
"""

import json
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]

DPKG = Path("/var/lib/dpkg/status")
#: Where Go keeps what a program was built from (debug/buildinfo): this, and from its 32nd byte on two texts, each
#: behind its length; the second lies between two marks of 16 bytes.
_MAGIC = b"\xff Go buildinf:"
_TEXTS, _MARK = 32, 16


def document(pyproject: Path, packages: Path, programs: list[Path], dpkg: Path = DPKG) -> Component:
    project = tomllib.loads(pyproject.read_text())["project"]
    parts = [*python(packages), *(part for program in programs for part in go(program)), *debian(dpkg)]
    components = {part["bom-ref"]: part for part in parts}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": "image",
                "name": project["name"],
                "version": project["version"],
            }
        },
        "components": [components[reference] for reference in sorted(components)],
    }


def python(packages: Path) -> Iterator[Component]:
    for found in distributions(path=[str(packages)]):
        name = found.name.lower().replace("_", "-")
        yield {**_component("pypi", name, found.version), **_license(found)}


def _license(found: Distribution) -> Component:
    expression = found.metadata.json.get("license_expression")
    return {"licenses": [{"expression": expression}]} if expression else {}


def go(program: Path) -> Iterator[Component]:
    """The modules of a Go program, and Go's own library.

    Raises:
        ValueError: it is no program of Go, or of one before 1.18.
    """
    version, modules = build_info(program.read_bytes())
    yield _component("golang", "stdlib", version.removeprefix("go"))
    for line in modules.splitlines():
        kind, *words = line.split("\t")
        if kind in ("mod", "dep"):
            yield _component("golang", words[0], words[1])


def build_info(program: bytes) -> tuple[str, str]:
    start = program.find(_MAGIC)
    if start < 0 or not program[start + len(_MAGIC) + 1] & 2:
        raise ValueError("no build information of Go")
    version, after = _text(program, start + _TEXTS)
    modules, _ = _text(program, after)
    return version.decode(), modules[_MARK:-_MARK].decode()


def _text(program: bytes, at: int) -> tuple[bytes, int]:
    """The text at an offset, behind its length as a varint; and where it ends."""
    size = shift = 0
    while True:
        byte = program[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return program[at : at + size], at + size


def debian(status: Path) -> Iterator[Component]:
    if not status.exists():
        return
    for stanza in status.read_text().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and not line.startswith(" "))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            yield _component("deb/debian", name, version, f"?arch={fields['Architecture']}")


def _component(kind: str, name: str, version: str, qualifiers: str = "") -> Component:
    # A slash is part of a Go module's name; in a version everything but letters and digits may mean something.
    purl = f"pkg:{kind}/{quote(name, safe='/.-_~')}@{quote(version, safe='.-_~')}{qualifiers}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def main() -> None:
    pyproject, packages, *programs = map(Path, sys.argv[1:])
    json.dump(document(pyproject, packages, programs), sys.stdout, indent=1)


if __name__ == "__main__":
    main()

"""A row of gzip members is a tar.gz to everybody who reads one."""

import gzip
import io
import subprocess
import tarfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from workflow_templates.dumplog.archive import Archive

NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=120)


def archived(files: dict[str, list[bytes]]) -> bytes:
    target = io.BytesIO()
    archive = Archive(target)
    for name, members in files.items():
        archive.add(name, sum(map(len, members)), [gzip.compress(member) for member in members])
    archive.close()
    return target.getvalue()


@given(st.dictionaries(NAMES, st.lists(st.binary(max_size=1500), max_size=3), max_size=4))
def test_what_goes_in_comes_out(files: dict[str, list[bytes]]) -> None:
    with tarfile.open(fileobj=io.BytesIO(archived(files)), mode="r:gz") as archive:
        found = {member.name: _content(archive, member) for member in archive}
    assert found == {name: b"".join(members) for name, members in files.items()}


def test_tar_itself_reads_it_without_a_word(tmp_path: Path) -> None:
    file = tmp_path / "logs.tar.gz"
    file.write_bytes(archived({"web-0/main.log": [b"a" * 10_000, b"b"], "web-0/empty.log": [], "index.json": [b"{}"]}))
    ran = subprocess.run(["tar", "-xzvf", file, "-C", tmp_path], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["web-0/main.log", "web-0/empty.log", "index.json"]
    assert ran.stderr == ""
    assert (tmp_path / "web-0" / "main.log").read_bytes() == b"a" * 10_000 + b"b"
    assert (tmp_path / "web-0" / "empty.log").read_bytes() == b""


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()

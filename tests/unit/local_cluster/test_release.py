"""What a release hands out: made twice it is the same bytes, and its checksums are true."""

import json
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from local_cluster import release
from local_cluster.cluster_settings import Settings
from local_cluster.stages import Stages

pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    made = [tmp_path_factory.mktemp("release") / "parts" for _ in range(2)]
    for folder in made:
        release.parts(folder, Settings(), Stages(folder.parent), with_image=False)
    return made


def test_made_twice_it_is_the_same(folders: list[Path]) -> None:
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert first == second
    assert {name.rpartition(".")[2] for name in first} == {"tgz", "whl", "json", "SHA256SUMS"}


def test_the_checksums_are_true(folders: list[Path]) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", release.CHECKSUMS], cwd=folders[0], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(list(folders[0].iterdir())) - 1


def test_each_part_holds_what_it_should(folders: list[Path]) -> None:
    folder = folders[0]
    with tarfile.open(next(folder.glob("*.tgz"))) as chart:
        names = set(chart.getnames())
        assert {"opsjobs/Chart.yaml", "opsjobs/values.schema.json", "opsjobs/files/monitoring/alerts.yaml"} <= names
        assert not [name for name in names if name.startswith("opsjobs/ci")]
        assert {(member.uid, member.uname) for member in chart} == {(0, "")}
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        assert "opsjobs_cli/entry.py" in wheel.namelist()
        assert not [name for name in wheel.namelist() if name.startswith(("service", "tests"))]
    document = json.loads((folder / "opsjobs-cli.cdx.json").read_text())
    assert document["bomFormat"] == "CycloneDX"
    assert {"httpx", "rich", "typer"} <= {one["name"] for one in document["components"]}

"""Argo's pages: what is fetched is named by checksum, what is mended is there once, and no cluster waits for them."""

import json
from pathlib import Path

import pytest

from local_cluster import argo_ui, binaries
from local_cluster.argo_ui import BUNDLERS, FROM_GIT, INTEGRITY, Mend, with_what_bundling_takes
from local_cluster.binaries import ARGO, ARGO_UI, NO_ARGO_UI, argo_server, build_all
from local_cluster.stages import StageError, Stages

REGISTRY = "https://registry.example.org"
LOCK = f"""\
"argo-ui@{FROM_GIT}":
  version "1.0.0"
  resolved "{FROM_GIT}"
  dependencies:
    xterm "^4.19.0"

argparse@^2.0.1:
  version "2.0.1"
  resolved "{REGISTRY}/argparse/-/argparse-2.0.1.tgz#246f"
"""


@pytest.fixture
def ui(tmp_path: Path) -> Path:
    """As much of Argo's folder `ui` as is changed before anything is fetched."""
    folder = tmp_path / "ui"
    folder.mkdir()
    package = {"dependencies": {"argo-ui": FROM_GIT}, "devDependencies": dict.fromkeys((*BUNDLERS, "jest"), "^1")}
    (folder / "package.json").write_text(json.dumps(package))
    (folder / "yarn.lock").write_text(LOCK)
    (folder / ".yarnrc").write_text("--install.ignore-optional true\n")
    return folder


@pytest.fixture
def unbuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds all that a cluster is made of but Argo's pages, which cannot be built."""
    monkeypatch.delenv(NO_ARGO_UI, raising=False)
    for program in binaries.OF_THE_CLUSTER:
        program.folder(tmp_path).mkdir(parents=True)

    def fail(*_: object) -> None:
        raise StageError("npx ended with 124")

    monkeypatch.setattr(binaries, "_build_argo_with_pages", fail)
    return tmp_path


def test_the_library_is_npms_by_its_checksum_from_the_locks_own_registry(ui: Path) -> None:
    with_what_bundling_takes(ui)
    lock = (ui / "yarn.lock").read_text()
    wanted = f'argo-ui@1.0.0:\n  version "1.0.0"\n  resolved "{REGISTRY}/argo-ui/-/argo-ui-1.0.0.tgz"\n'
    assert lock.startswith(f"{wanted}  integrity {INTEGRITY}\n  dependencies:\n")
    package = json.loads((ui / "package.json").read_text())
    assert package["dependencies"] == {"argo-ui": "1.0.0"}
    assert set(package["devDependencies"]) == set(BUNDLERS)
    assert not (ui / ".yarnrc").exists()


@pytest.mark.parametrize("text", ["", "arrow arrow"])
def test_what_is_mended_must_be_there_exactly_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(StageError, match="file holds 'arrow' "):
        Mend("file", "arrow", "line").apply(tmp_path)
    assert (tmp_path / "file").read_text() == text


def test_a_cluster_comes_up_without_pages_and_says_so(unbuilt: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_all(Stages(unbuilt / "logs"), unbuilt)
    told = capsys.readouterr().out
    assert "ARGO'S WEB UI WAS NOT BUILT: npx ended with 124" in told
    assert f"{NO_ARGO_UI}=1 leaves it out" in told
    assert argo_server(unbuilt) == ARGO.folder(unbuilt) / "argo"


def test_the_pages_are_left_out_where_a_person_says_so(
    unbuilt: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(NO_ARGO_UI, "1")
    build_all(Stages(unbuilt / "logs"), unbuilt)
    assert "NOT BUILT" not in capsys.readouterr().out


def test_the_server_with_pages_is_taken_once_it_is_built(unbuilt: Path) -> None:
    ARGO_UI.folder(unbuilt).mkdir()
    (ARGO_UI.folder(unbuilt) / "argo").touch()
    assert argo_server(unbuilt) == ARGO_UI.folder(unbuilt) / "argo"


def test_another_recipe_is_another_build() -> None:
    assert argo_ui.recipe() == ARGO_UI.recipe
    assert binaries.Program("argo-ui", "", pinned="argo", recipe="x").folder(Path()) != binaries.Program(
        "argo-ui", "", pinned="argo", recipe="y"
    ).folder(Path())

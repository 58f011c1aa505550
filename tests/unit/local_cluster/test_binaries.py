from dataclasses import replace
from pathlib import Path

import pytest

from local_cluster import binaries
from local_cluster.binaries import ARGO, KUBERNETES, PROGRAMS, Program, build, link_all
from local_cluster.cluster_settings import ARGO_VERSION, KUBERNETES_VERSION
from local_cluster.stages import StageError, Stages


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path / "logs")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A Go module of one command, that needs no download."""
    home = tmp_path / "go" / "hello"
    home.mkdir(parents=True)
    (home / "go.mod").write_text("module example.org/hello\n\ngo 1.25\n\ntool example.org/hello\n")
    (home / "go.sum").write_text("")
    (home / "main.go").write_text("package main\n\nvar greeting string\n\nfunc main() { println(greeting) }\n")
    monkeypatch.setattr(binaries, "MODULES", tmp_path / "go")
    return Program("hello", "1 s", "-X main.greeting=hello")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_every_program_is_pinned_with_checksums(program: Program) -> None:
    assert (program.module / "go.mod").exists()
    assert (program.module / "go.sum").read_text().count("h1:") > 0


def test_the_pins_are_the_versions_the_programs_are_told_they_are() -> None:
    assert f"k8s.io/kubernetes v{KUBERNETES_VERSION}" in (KUBERNETES.module / "go.mod").read_text()
    assert f"argo-workflows/v4 v{ARGO_VERSION}" in (ARGO.module / "go.mod").read_text()


def test_another_flag_or_checksum_is_another_folder(program: Program, tmp_path: Path) -> None:
    first = program.folder(tmp_path)
    assert replace(program, flags="-X main.greeting=bye").folder(tmp_path) != first
    (program.module / "go.sum").write_text("example.org/other v1.0.0 h1:x=\n")
    assert program.folder(tmp_path) != first


def test_a_build_that_fails_leaves_nothing_to_be_taken_for_whole(
    program: Program, stages: Stages, tmp_path: Path
) -> None:
    (program.module / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    cache = tmp_path / "cache"
    with pytest.raises(StageError, match="undefined"), stages.stage("Building") as stage:
        build(program, cache, stage)
    assert list((cache / "bin").iterdir()) == []


def test_a_build_is_whole_renamed_and_found_on_one_path(
    program: Program, stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renamed = replace(program, renamed=(("hello", "greet"),))
    with stages.stage("Building") as stage:
        build(renamed, tmp_path / "cache", stage)
        monkeypatch.setattr(binaries, "PROGRAMS", (renamed,))
        link_all(tmp_path / "cache", tmp_path / "bin")
        stage.run(["sh", "-c", f"{tmp_path / 'bin' / 'greet'} 2>&1"])
        assert stage.last_lines(1).strip() == "hello"

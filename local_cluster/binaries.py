"""The cluster's programs, built from Go modules that are pinned in `go/<name>/go.mod` and checked by `go.sum`.

A build goes to a folder of its own and is renamed into place when it is whole: an interrupted one is never taken.
The folder's name carries a hash of everything that decides what comes out.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local_cluster.cluster_settings import ARGO_VERSION, KUBERNETES_VERSION
from local_cluster.stages import Stage, Stages

MODULES = Path(__file__).parent / "go"
ARGO_MODULE = "github.com/argoproj/argo-workflows/v4"


@dataclass(frozen=True)
class Program:
    """One Go module and what its build leaves behind; `expect` is how long that takes with nothing cached."""

    name: str
    expect: str
    flags: str = ""
    renamed: tuple[tuple[str, str], ...] = ()

    @property
    def module(self) -> Path:
        return MODULES / self.name

    def folder(self, cache: Path) -> Path:
        """Where the built program is kept: another version, flag or checksum is another folder."""
        digest = hashlib.sha256(f"{self.flags}{self.renamed}".encode())
        for part in ("go.mod", "go.sum"):
            digest.update((self.module / part).read_bytes())
        return cache / "bin" / f"{self.name}-{digest.hexdigest()[:12]}"


def _kubernetes_flags() -> str:
    major, minor, _ = KUBERNETES_VERSION.split(".")
    wanted = {"gitVersion": f"v{KUBERNETES_VERSION}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    homes = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {home}.{name}={value}" for home in homes for name, value in wanted.items())


def _argo_flags() -> str:
    wanted = {"version": f"v{ARGO_VERSION}", "gitTag": f"v{ARGO_VERSION}", "gitTreeState": "clean"}
    return " ".join(f"-X {ARGO_MODULE}.{name}={value}" for name, value in wanted.items())


KUBERNETES = Program("kubernetes", "8 min", _kubernetes_flags(), renamed=(("server", "etcd"),))
ARGO = Program("argo", "5 min", _argo_flags())
CRANE = Program("crane", "1 min")
REGISTRY = Program("registry", "1 min")
PROGRAMS = (
    KUBERNETES,
    ARGO,
    Program("helm", "2 min"),
    Program("coredns", "2 min"),
    Program("kubeconform", "1 min"),
    CRANE,
    REGISTRY,
    Program("oasdiff", "1 min"),
    Program("versitygw", "1 min"),
    Program("kwok", "2 min"),
)


def build_all(stages: Stages, cache: Path) -> None:
    """Build what the cache does not hold yet, one after the other: the Go compiler fills every core by itself."""
    for program in PROGRAMS:
        if program.folder(cache).exists():
            continue
        with stages.stage(f"Building {program.name}", program.expect) as stage:
            build(program, cache, stage)


def built_tool(cache: Path, name: str, stages: Stages) -> Path:
    """The program of that name and module, built where the cache does not hold it yet."""
    (program,) = (program for program in PROGRAMS if program.name == name)
    if not program.folder(cache).exists():
        with stages.stage(f"Building {program.name}", program.expect) as stage:
            build(program, cache, stage)
    return program.folder(cache) / name


def build(program: Program, cache: Path, stage: Stage) -> None:
    recipe: Callable[[Program, Path, Stage], None] = _build_argo if program is ARGO else _build_tools
    home = program.folder(cache)
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{program.name}-", dir=home.parent) as unfinished:
        whole = Path(unfinished) / "whole"
        whole.mkdir()
        recipe(program, whole, stage)
        for built, wanted in program.renamed:
            (whole / built).rename(whole / wanted)
        whole.chmod(0o755)
        whole.rename(home)


def link_all(cache: Path, folder: Path) -> None:
    """Make `folder` hold a link to every program, so that one PATH entry finds them all; no link that is right goes."""
    wanted = {
        folder / binary.name: binary
        for program in PROGRAMS
        for binary in program.folder(cache).iterdir()
        if binary.is_file()
    }
    if {link: link.readlink() for link in folder.glob("*") if link.is_symlink()} == wanted:
        return
    if folder.is_symlink():  # to another checkout's, which is left as it is
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for link, binary in wanted.items():
        link.symlink_to(binary)


def _go_environment(target: Path) -> dict[str, str]:
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOBIN": str(target),
        "GOFLAGS": "-buildvcs=false -trimpath",
        "GOWORK": "off",
    }


def _build_tools(program: Program, target: Path, stage: Stage) -> None:
    flags = f"-s -w {program.flags}".strip()
    stage.run(["go", "install", "-ldflags", flags, "tool"], cwd=program.module, env=_go_environment(target))


def _build_argo(program: Program, target: Path, stage: Stage) -> None:
    """Build Argo in a writable copy of its module, mended where module zips and its own build differ."""
    environment = _go_environment(target)
    answer = stage.run(["go", "mod", "download", "-json", ARGO_MODULE], cwd=program.module, env=environment)
    source = target.parent / "source"
    shutil.copytree(json.loads(answer)["Dir"], source, copy_function=shutil.copyfile)
    for folder in (source, *(path for path in source.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    # Module zips drop symlinks, and this one is compiled.
    signals = source / "workflow" / "executor" / "osspecific"
    shutil.copyfile(signals / "signal_darwin.go", signals / "signal_linux.go")
    # The UI is embedded by its folder, which only a web build fills.
    pages = source / "ui" / "dist" / "app"
    pages.mkdir(parents=True)
    (pages / "index.html").write_text("<p>This Argo server was built without its pages; its API is whole.</p>\n")

    commands = ["./cmd/workflow-controller", "./cmd/argoexec", "./cmd/argo"]
    stage.run(["go", "install", "-ldflags", f"-s -w {program.flags}", *commands], cwd=source, env=environment)
    shutil.copytree(source / "manifests", target / "manifests")

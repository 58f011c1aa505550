"""Step pods carry none of the weight of the service or of Hera (design: a step pod starts in under half a second)."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

RENDERED = Path(__file__).parents[3] / "charts" / "opsjobs" / "files" / "workflowtemplates"
#: Every module that a WorkflowTemplate runs.
STEPS = sorted(
    {
        step
        for file in RENDERED.glob("*.yaml")
        for step in re.findall(r"- (workflow_templates\.[\w.]+)$", file.read_text(), re.MULTILINE)
    }
)
#: These read all they need from files.
WITHOUT_ARGUMENTS = {"workflow_templates.dumplog.journal", "workflow_templates.exportimage.export"}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_imports_nothing_heavy(step: str) -> None:
    line = f"import sys, {step}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    ran = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert not loaded & {"hera", "service", "kubernetes", "pydantic", "fastapi", "yaml", "sqlalchemy"}


@pytest.mark.parametrize("step", sorted({*STEPS} - WITHOUT_ARGUMENTS))
def test_a_step_says_what_it_wants(step: str) -> None:
    ran = subprocess.run([sys.executable, "-m", step], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "--job" in ran.stderr

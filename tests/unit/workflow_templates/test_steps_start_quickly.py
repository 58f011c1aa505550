"""Step pods carry none of the weight of the service or of Hera (design: a step pod starts in under half a second)."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

STEPS = [
    "workflow_templates.addon.node",
    "workflow_templates.addon.evaluate",
    "workflow_templates.dumplog.dump",
    "workflow_templates.release_nodes",
    *(f"workflow_templates.preflight.{step}" for step in ("lease", "runner", "clean_up", "report", "picture")),
    *(f"workflow_templates.reboot.{stage}" for stage in ("lock_node", "cordon_node", "evict", "note_boot_id")),
    *(f"workflow_templates.reboot.{stage}" for stage in ("reboot", "wait", "restore_cordon", "release", "clean_up")),
]


@pytest.mark.parametrize("step", [*STEPS, "workflow_templates.dumplog.journal"])
def test_a_step_imports_nothing_heavy(step: str) -> None:
    line = f"import sys, {step}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    ran = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert not loaded & {"hera", "service", "kubernetes", "pydantic", "fastapi", "yaml", "sqlalchemy"}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_says_what_it_wants(step: str) -> None:
    ran = subprocess.run([sys.executable, "-m", step], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "--job" in ran.stderr

"""5,000 nodes and what assistive technology needs: measured and looked through in the page itself, long."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from service.domain.job import JobType, NodePhase
from tests.cli.served import Served
from tests.clients.npm_packages import installed
from tests.console.conftest import SignIn
from tests.console.town import Desk, Town, machines

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
#: Milliseconds of tasks that took longer than 50.
LONG_TASKS = """() => {
  window.tasks = [];
  new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((one) => Math.round(one.duration))))
    .observe({ type: 'longtask', buffered: true });
}"""


def test_five_thousand_nodes_scroll_and_filter(page: Page, service: Served, town: Town, tmp_path: Path) -> None:
    town.node_list = machines(5000)
    page.goto(f"{service.url}/console/fleet?by=rack")
    page.get_by_label("Token").fill("alice")
    page.evaluate(LONG_TASKS)
    begun = time.perf_counter()
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("status")).to_have_text("5,000 nodes")
    painted = time.perf_counter() - begun
    cells = page.get_by_role("listbox", name="Nodes")
    cells.hover()
    for _ in range(40):
        page.mouse.wheel(0, 300)
        page.wait_for_timeout(16)
    page.get_by_role("searchbox", name="Name").press_sequentially("gpu-49")
    expect(page.get_by_role("status")).to_have_text("100 of 5,000 nodes")
    page.get_by_role("button", name="ready 4998").click()
    expect(page.get_by_role("status")).to_have_text("100 of 5,000 nodes")
    figures = {"seconds to 5,000 cells": round(painted, 2), "tasks over 50 ms": page.evaluate("window.tasks")}
    (tmp_path / "figures.json").write_text(json.dumps(figures))
    print(figures)  # noqa: T201  # for docs/benchmarks.md; no assertion: a machine may be slow
    assert page.evaluate("document.querySelectorAll('*').length") < 500, "cells are drawn, not put into the document"


@pytest.fixture(scope="module")
def axe() -> str:
    return (installed(HERE) / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path",
    [
        "/fleet?by=rack",
        "/fleet?view=table",
        "/jobs",
        "/jobs/axe-aaaaaa",
        "/nodes/gpu-0021",
        "/new/addon",
        "/new/preflight",
    ],
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_fault_of_accessibility(
    sign_in: SignIn, desk: Desk, axe: str, path: str, scheme: Any
) -> None:
    """The script is evaluated through the browser's own door: the policy of the page stays as it is."""
    if not desk.service.has("axe-aaaaaa"):
        job = desk.job(JobType.REBOOT, ["gpu-0021", "gpu-0022"], job_id="axe-aaaaaa", job_name="axe")
        desk.node(job.job_id, "gpu-0021", NodePhase.FAILED, "did not come back")
    page = sign_in(path)
    page.emulate_media(color_scheme=scheme)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_load_state("networkidle" if "jobs/" not in path else "load")
    page.evaluate(axe)
    found = page.evaluate("axe.run().then((result) => result.violations)")
    serious = [
        (one["id"], [node["html"][:160] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []

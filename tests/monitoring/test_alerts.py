"""The chart's alerts: each fires when it should and not before, by promtool, and has a page that says what to do."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.prometheus import promtool
from tests.unit.chart.rendering import ROOT, render
from tests.unit.jobs.test_metrics_documented import documented

pytestmark = pytest.mark.programs

TESTS = Path(__file__).with_name("alerts.yaml")
RUNBOOKS = ROOT / "docs" / "runbooks"


@pytest.fixture(scope="module")
def rules() -> dict[str, Any]:
    chart = render({"metrics": {"prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}}}})
    (found,) = chart.kind("PrometheusRule")
    assert found["metadata"]["labels"]["release"] == "prometheus"
    spec: dict[str, Any] = found["spec"]
    return spec


def alerts(rules: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule for group in rules["groups"] for rule in group["rules"]]


def test_they_are_off_by_default() -> None:
    chart = render({})
    assert not chart.kind("PrometheusRule")
    assert not [item for item in chart.kind("ConfigMap") if "dashboard" in item["metadata"]["name"]]


def test_each_fires_when_it_should_and_not_before(rules: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    (tmp_path / "tests.yaml").write_text(TESTS.read_text())
    assert "SUCCESS" in promtool("check", "rules", tmp_path / "rules.yaml")
    assert "SUCCESS" in promtool("test", "rules", tmp_path / "tests.yaml")


def test_each_alert_is_tested_for_firing_and_for_silence(rules: dict[str, Any]) -> None:
    tested = [one for test in yaml.safe_load(TESTS.read_text())["tests"] for one in test["alert_rule_test"]]
    names = {rule["alert"] for rule in alerts(rules)}
    assert {one["alertname"] for one in tested if one["exp_alerts"]} == names
    assert {one["alertname"] for one in tested if not one["exp_alerts"]} == names


def test_each_asks_for_metrics_that_there_are(rules: dict[str, Any]) -> None:
    for rule in alerts(rules):
        asked = set(re.findall(r"opsjobs_\w+", rule["expr"]))
        assert asked, rule["alert"]
        assert asked <= set(documented()), rule["alert"]


def test_each_has_a_page(rules: dict[str, Any]) -> None:
    overview = (RUNBOOKS / "README.md").read_text()
    for rule in alerts(rules):
        page = ROOT / rule["annotations"]["runbook_url"]
        text = page.read_text()
        assert text.startswith(f"# {rule['alert']}\n")
        for part in ("**What it means.**", "**How to look.**", "**What to do.**"):
            assert part in text, page.name
        assert f"| [{rule['alert']}]({page.name}) | {rule['labels']['severity']} |" in overview
    pages = {page.stem for page in RUNBOOKS.glob("OpsJobs*.md")}
    assert pages == {rule["alert"] for rule in alerts(rules)}


def commands(program: str) -> set[str]:
    """What the pages have a person type, up to what ends a command."""
    text = "\n".join(page.read_text() for page in RUNBOOKS.glob("*.md"))
    found = re.findall(rf"(?:^|`)({program} [^\n`|#]+)", text, re.MULTILINE)
    return {line.strip() for line in found}


def flags(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--")} - {"--help"}


def helped(*command: str | Path) -> str:
    """What the command's own help says, in long lines."""
    wide = {**os.environ, "COLUMNS": "300", "TERM": "dumb"}
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False, env=wide)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def test_the_command_line_knows_what_the_pages_say() -> None:
    program = Path(sys.executable).with_name("opsjobs")
    pages = commands("opsjobs")
    assert len(pages) > 5
    known = {word: helped(program, word) for word in {line.split()[1] for line in pages}}
    for line in pages:
        words = line.split()[1:]
        assert all(flag in known[words[0]] for flag in flags(words)), line


def test_kubectl_knows_what_the_pages_say() -> None:
    kubectl = ROOT / "build" / "bin" / "kubectl"
    of_all = subprocess.run([kubectl, "options"], capture_output=True, text=True, check=True).stdout
    for line in commands("kubectl"):
        words = line.split()[1:]
        said = helped(kubectl, *(words[:2] if words[0] in ("auth", "rollout", "top") else words[:1]))
        assert all(f"{flag}=" in said + of_all for flag in flags(words)), line

"""The report of a node: whole for a small job, affordable in a large one."""

import base64
import gzip
import json
import random
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from workflow_templates.addon.node_outcome import Outcome, TemplateOutcome

CHART = Path(__file__).parents[3] / "charts" / "opsjobs"
#: Argo's MAX_WORKFLOW_SIZE.
WORKFLOW_BYTES = 1 << 20
lines = st.lists(st.text(max_size=1000), max_size=5)


def outcome(texts: list[str]) -> Outcome:
    made = Outcome("gpu-1")
    made.templates += [TemplateOutcome(f"t{i}", "succeeded", "ok", 0, text) for i, text in enumerate(texts)]
    return made


def test_its_shape() -> None:
    made = outcome(["hello"])
    assert json.loads(made.text(planned=1)) == {
        "node": "gpu-1",
        "result": "succeeded",
        "message": "",
        "templates": [{"name": "t0", "result": "succeeded", "message": "ok", "exitCode": 0, "lastLines": "hello"}],
    }


def test_a_failure_is_told() -> None:
    made = Outcome("gpu-1")
    made.fail("addon template t0 ended with exit code 3")
    report = json.loads(made.text(planned=1))
    assert (report["result"], report["message"]) == ("failed", "addon template t0 ended with exit code 3")


@given(lines)
def test_a_small_jobs_report_keeps_every_line(texts: list[str]) -> None:
    report = json.loads(outcome(texts).text(planned=4))
    assert [template["lastLines"] for template in report["templates"]] == texts


@given(lines, st.integers(1, 5000))
def test_all_reports_of_a_job_fit_into_its_workflow(texts: list[str], planned: int) -> None:
    report = json.loads(outcome(texts).text(planned))
    assert sum(len(template["lastLines"].encode()) for template in report["templates"]) * planned <= 350_000
    assert len(report["templates"]) == len(texts)


def test_the_latest_output_is_kept_longest() -> None:
    report = json.loads(outcome(["a" * 1000, "b" * 1000]).text(planned=318))
    assert [template["lastLines"] for template in report["templates"]] == ["", "b" * 1000]


def entries(number: int, node: str, outcome: str, chance: random.Random) -> dict[str, Any]:
    """What Argo 4.0.7 keeps of one node of a plan: an entry of its pod and one of its tries, as seen on the cluster."""
    job = "upgrade-gpu-driver-kav6dq"
    group = f"group({number // 50}:{number // 50 * 50 + 1} to {number // 50 * 50 + 50})"
    pod, tries = (f"{job}-{chance.randrange(1 << 32)}" for _ in range(2))
    both = {
        "boundaryID": f"{job}-255860985",
        "displayName": f"node({number % 50}:{node})",
        "finishedAt": f"2026-11-25T23:{chance.randrange(60):02}:{chance.randrange(60):02}Z",
        "inputs": {"parameters": [{"name": "node", "value": node}]},
        "name": f"{job}[0].nodes[0].{group}[0].node({number % 50}:{node})",
        "outputs": {"exitCode": "0", "parameters": [{"name": "outcome", "value": outcome}]},
        "phase": "Succeeded",
        "progress": "1/1",
        "resourcesDuration": {"cpu": chance.randrange(600), "memory": chance.randrange(600)},
        "startedAt": f"2026-11-25T23:{chance.randrange(60):02}:{chance.randrange(60):02}Z",
        "templateName": "node",
        "templateScope": "local/",
    }
    of_pod = {"id": pod, "hostNodeName": node, "nodeFlag": {"retried": True}, "taskResultSynced": True, "type": "Pod"}
    return {pod: {**both, **of_pod}, tries: {**both, "children": [pod], "id": tries, "type": "Retry"}}


def test_the_largest_job_with_the_worst_output_fits_into_what_argo_allows() -> None:
    nodes = yaml.safe_load((CHART / "values.yaml").read_text())["limits"]["nodes"]
    chance = random.Random(5)  # noqa: S311 - a test's data
    status: dict[str, Any] = {}
    names = [f"ip-10-{n // 256}-{n % 256}-{chance.randrange(256)}.eu-central-1.compute.internal" for n in range(nodes)]
    for number, node in enumerate(names):
        made = Outcome(node)
        noise = base64.b64encode(chance.randbytes(2000)).decode()
        made.templates += [TemplateOutcome(f"step-{i}", "succeeded", "exit code 0", 0, noise) for i in range(4)]
        status |= entries(number, node, made.text(planned=nodes), chance)
    text = json.dumps(dict(sorted(status.items())), separators=(",", ":")).encode()
    compressed = len(base64.b64encode(gzip.compress(text)))
    # The names of all nodes stand in the arguments of the Workflow and of its loop, the scripts not at all.
    assert compressed + 2 * len(json.dumps(names)) + 50_000 < WORKFLOW_BYTES

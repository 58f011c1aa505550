"""The report of a node: whole for a small job, affordable in a large one."""

import json

from hypothesis import given
from hypothesis import strategies as st

from workflow_templates.addon.outcome import Outcome, TemplateOutcome

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
    assert sum(len(template["lastLines"].encode()) for template in report["templates"]) * planned <= 400_000
    assert len(report["templates"]) == len(texts)


def test_the_latest_output_is_kept_longest() -> None:
    report = json.loads(outcome(["a" * 1000, "b" * 1000]).text(planned=400))
    assert [template["lastLines"] for template in report["templates"]] == ["", "b" * 1000]

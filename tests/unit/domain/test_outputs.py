import json
from typing import Any

from service.domain.job import Job, JobType, Named
from service.domain.phase import observe
from tests.unit.domain.argo import at, cut_off, entry, failed, job, on, succeeded, workflow

TEMPLATES = [
    {"name": "thp", "result": "succeeded", "exitCode": 0, "message": "", "lastLines": "done ✓\n"},
    {"name": "gpu", "result": "skipped", "exitCode": None, "message": "no amd GPU", "lastLines": ""},
]
BROKEN = [{"name": "thp", "result": "failed", "exitCode": 3, "message": "", "lastLines": "no such file"}]


def outputs(observed: Job) -> dict[str, str]:
    return {output.name: output.value for output in observed.outputs}


def addon_of_four() -> Job:
    flow = workflow(
        on("n1", "Succeeded", succeeded(), outcome={"node": "n1", "result": "succeeded", "templates": TEMPLATES}),
        on("n2", "Failed", failed(3, "thp: exit code 3"), index=1, outcome={"node": "n2", "templates": BROKEN}),
        on("n3", "Failed", cut_off("pod deleted", host=True), index=2),
        on("n4", "Failed", failed(76, "too many nodes failed"), index=3),
        phase="Failed",
    )
    return observe(job("n1", "n2", "n3", "n4"), flow, at(99))


def test_an_addon_counts_its_nodes() -> None:
    counts = outputs(addon_of_four())
    assert {name: counts[name] for name in ("succeeded", "failed", "skipped")} == {
        "succeeded": "1",
        "failed": "2",
        "skipped": "1",
    }


def test_an_addon_reports_every_node_and_template_in_the_plans_order() -> None:
    report: list[dict[str, Any]] = json.loads(outputs(addon_of_four())["report"])
    assert report == [
        {"node": "n1", "result": "succeeded", "message": "", "templates": TEMPLATES},
        {"node": "n2", "result": "failed", "message": "thp: exit code 3", "templates": BROKEN},
        {"node": "n3", "result": "failed", "message": "its pod was deleted while it worked", "templates": []},
        {"node": "n4", "result": "skipped", "message": "not begun: too many nodes failed", "templates": []},
    ]


def test_how_a_node_ended_is_not_taken_from_its_own_word() -> None:
    boast = {"node": "n1", "result": "succeeded", "templates": []}
    flow = workflow(on("n1", "Failed", failed(1), outcome=boast), phase="Failed")
    report = json.loads(outputs(observe(job("n1"), flow, at(99)))["report"])
    assert report[0]["result"] == "failed"


def test_there_are_no_outputs_before_the_end() -> None:
    flow = workflow(on("n1", "Succeeded", succeeded()))
    assert observe(job("n1"), flow, at(99)).outputs == ()


def test_other_types_answer_what_their_steps_made_global() -> None:
    dump = entry("roll-abc123[0].dump", "Pod", "Succeeded", start=10, end=20, code=0)
    flow = workflow([dump], phase="Succeeded", outputs={"endpoint": "https://s3/x?sig=y", "log": "s3://b/x"})
    observed = observe(job(job_type=JobType.DUMPLOG), flow, at(99))
    assert observed.outputs == (Named("endpoint", "https://s3/x?sig=y"), Named("log", "s3://b/x"))

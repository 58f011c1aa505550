"""The Kubernetes objects of a job, read as the apiserver would read them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.job import Job, JobType, Named, Plan, PlannedNode
from service.kube import manifest
from service.kube.client import KubeSettings
from workflow_templates.protocol import check_pods

SETTINGS = KubeSettings(jobs_namespace="jobs", default_ttl_seconds=600)
JOB = Job(
    job_id="addon-upgrade-x7k2p9",
    job_name="addon-upgrade",
    type=JobType.ADDON,
    cluster_id="prod-cluster",
    user_id="user-001",
    user_name="alice",
    created=datetime(2025, 1, 10, 8, tzinfo=UTC),
    timeout_second=1800,
    plan=Plan(nodes=(PlannedNode("gpu-1"), PlannedNode("gpu-2"))),
    inputs=(Named("addon.template", "driver-550"), Named("node", "gpu-1"), Named("node", "gpu-2")),
    options={"batchCount": 2, "ttlSecondsAfterFinished": 60},
    work={"parameters": {"nodes": '["gpu-1","gpu-2"]', "required": "2"}, "files": {"addons.json": "{}"}},
    template="opsjob-addon-0123abcd",
)


def test_the_workflow_of_a_job() -> None:
    assert manifest.workflow(JOB, SETTINGS) == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": "addon-upgrade-x7k2p9",
            "namespace": "jobs",
            "labels": {
                "opsjob.io/job-id": "addon-upgrade-x7k2p9",
                "opsjob.io/type": "addon",
                "workflows.argoproj.io/workflow-template": "opsjob-addon-0123abcd",
            },
            "annotations": {
                "workflows.argoproj.io/description": "addon driver-550 on 2 nodes: addon-upgrade, submitted by alice",
            },
            "finalizers": ["opsjob.io/record"],
        },
        "spec": {
            "workflowTemplateRef": {"name": "opsjob-addon-0123abcd"},
            "arguments": {
                "parameters": [{"name": "nodes", "value": '["gpu-1","gpu-2"]'}, {"name": "required", "value": "2"}]
            },
            "ttlStrategy": {"secondsAfterCompletion": 60},
            "activeDeadlineSeconds": 1800,
            "parallelism": 2,
        },
    }


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        ({"inputs": (Named("addon.template", "a"), Named("node.template", "b"))}, "addon a, b on 2 nodes: "),
        (
            {"type": JobType.PREFLIGHT, "options": {"image": "registry.example.com:5000/checks/nccl:2.1@sha256:0"}},
            "preflight nccl:2.1 on 2 nodes: ",
        ),
        ({"type": JobType.DUMPLOG, "inputs": (Named("workload", "train"),), "plan": Plan(())}, "dumplog train: "),
        ({"type": JobType.REBOOT, "plan": Plan((PlannedNode("gpu-1"),))}, "reboot on 1 node: "),
    ],
)
def test_a_list_shows_first_what_a_job_runs_and_on_how_many_nodes(changes: dict[str, Any], begins: str) -> None:
    notes = manifest.workflow(replace(JOB, **changes), SETTINGS)["metadata"]["annotations"]
    assert notes["workflows.argoproj.io/description"].startswith(begins)


def test_many_templates_leave_room_for_who_submitted_the_job() -> None:
    inputs = tuple(Named("addon.template", f"template-{number}") for number in range(100))
    notes = manifest.workflow(replace(JOB, inputs=inputs), SETTINGS)["metadata"]["annotations"]
    assert notes["workflows.argoproj.io/description"].endswith("on 2 nodes: addon-upgrade, submitted by alice")


def test_the_files_of_a_job_go_with_its_workflow_and_cannot_be_changed() -> None:
    files = manifest.files(JOB, "uid-1", SETTINGS)
    assert files is not None
    assert files["metadata"]["name"] == JOB.job_id
    assert files["metadata"]["ownerReferences"][0]["uid"] == "uid-1"
    assert files["data"] == {"addons.json": "{}"}
    assert files["immutable"] is True


def test_a_job_without_files_has_no_configmap() -> None:
    assert manifest.files(replace(JOB, work={}), "uid-1", SETTINGS) is None


@pytest.mark.parametrize("timeout", [0, -1])
def test_no_timeout_is_no_deadline(timeout: int) -> None:
    assert "activeDeadlineSeconds" not in manifest.workflow(replace(JOB, timeout_second=timeout), SETTINGS)["spec"]


@pytest.mark.parametrize("options", [{}, {"ttlSecondsAfterFinished": 0}, {"ttlSecondsAfterFinished": -5}])
def test_a_job_that_names_no_ttl_gets_the_charts(options: dict[str, int]) -> None:
    spec = manifest.workflow(replace(JOB, options=options), SETTINGS)["spec"]
    assert spec["ttlStrategy"] == {"secondsAfterCompletion": 600}


@pytest.mark.parametrize(("options", "parallelism"), [({}, 1), ({"batchCount": 1}, 1), ({"batchCount": 50}, 50)])
def test_batch_count_is_parallelism(options: dict[str, int], parallelism: int) -> None:
    assert manifest.workflow(replace(JOB, options=options), SETTINGS)["spec"]["parallelism"] == parallelism


def test_only_addon_has_batches() -> None:
    preflight = replace(JOB, type=JobType.PREFLIGHT, options={})
    assert "parallelism" not in manifest.workflow(preflight, SETTINGS)["spec"]


@given(st.text(), st.text())
def test_nobodys_text_is_a_template_or_markup_to_argo(name: str, user: str) -> None:
    annotations = manifest.workflow(replace(JOB, job_name=name, user_name=user), SETTINGS)["metadata"]["annotations"]
    for text in annotations.values():
        assert not set("{}[]<>`\n") & set(text)
        assert len(text) <= 253


def test_nothing_is_said_of_parameters_where_there_are_none() -> None:
    """Argo writes a Workflow back without empty lists, and its spec may not change (admission)."""
    assert manifest.workflow(replace(JOB, work={"files": {}}), SETTINGS)["spec"]["arguments"] == {}


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name != check_pods.REQUEST_FILE), st.text()))
def test_parameters_and_files_are_handed_over_untouched(texts: dict[str, str]) -> None:
    job = replace(JOB, work={"parameters": texts, "files": texts})
    parameters = manifest.workflow(job, SETTINGS)["spec"]["arguments"].get("parameters", [])
    assert {item["name"]: item["value"] for item in parameters} == texts
    assert (manifest.files(job, "u", SETTINGS) or {}).get("data", {}) == texts

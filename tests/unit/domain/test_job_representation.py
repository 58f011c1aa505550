from datetime import UTC, datetime
from typing import Any

import pytest

from service.domain.job import (
    Condition,
    ExcludedNode,
    Job,
    JobType,
    Named,
    NodePhase,
    Phase,
    Plan,
    PlannedNode,
)
from service.domain.job_representation import detail, item, plan_representation, progress

CREATED = datetime(2025, 1, 10, 8, 0, tzinfo=UTC)
STARTED = datetime(2025, 1, 10, 8, 5, 0, 123_456, tzinfo=UTC)
ITEM_FIELDS = [
    "jobId",
    "jobName",
    "clusterId",
    "workspaceId",
    "userId",
    "userName",
    "type",
    "phase",
    "creationTime",
    "startTime",
    "endTime",
    "deletionTime",
    "timeoutSecond",
]


def a_job(job_type: JobType = JobType.ADDON, **fields: Any) -> Job:
    defaults: dict[str, Any] = {
        "job_id": "addon-upgrade-abc123",
        "job_name": "Addon Upgrade",
        "type": job_type,
        "cluster_id": "prod-cluster",
        "workspace_id": "team",
        "user_id": "user-001",
        "user_name": "alice",
        "created": CREATED,
        "started": STARTED,
        "phase": Phase.RUNNING,
    }
    return Job(**(defaults | fields))


def shown(job: Job) -> dict[str, Any]:
    return detail(job, "https://argo.example.com/", "opsjobs-jobs")


def test_an_item_has_the_documents_fields_in_its_order() -> None:
    assert list(item(a_job())) == ITEM_FIELDS


def test_an_item_says_what_the_record_says() -> None:
    assert item(a_job(timeout_second=1800)) == {
        "jobId": "addon-upgrade-abc123",
        "jobName": "Addon Upgrade",
        "clusterId": "prod-cluster",
        "workspaceId": "team",
        "userId": "user-001",
        "userName": "alice",
        "type": "addon",
        "phase": "Running",
        "creationTime": "2025-01-10T08:00:00.000Z",
        "startTime": "2025-01-10T08:05:00.123Z",
        "endTime": "",
        "deletionTime": "",
        "timeoutSecond": 1800,
    }


def test_detail_begins_like_an_item_and_goes_on_with_the_documents_fields() -> None:
    fields = list(shown(a_job(JobType.PREFLIGHT)))
    assert fields[: len(ITEM_FIELDS)] == ITEM_FIELDS
    of_the_document = {
        "conditions",
        "inputs",
        "outputs",
        "env",
        "resource",
        "image",
        "entryPoint",
        "isTolerateAll",
        "hostpath",
    }
    assert of_the_document <= set(fields)


@pytest.mark.parametrize(
    ("job_type", "own"),
    [
        (JobType.ADDON, {"batchCount", "availableRatio", "securityUpgrade"}),
        (JobType.PREFLIGHT, {"resource", "image", "entryPoint", "hostpath"}),
        (JobType.REBOOT, set()),
        (JobType.DUMPLOG, set()),
        (JobType.EXPORTIMAGE, set()),
    ],
)
def test_each_type_has_its_own_fields_and_no_others(job_type: JobType, own: set[str]) -> None:
    every = {"batchCount", "availableRatio", "securityUpgrade", "resource", "image", "entryPoint", "hostpath"}
    assert set(shown(a_job(job_type))) & every == own


@pytest.mark.parametrize("job_type", list(JobType))
def test_nothing_is_ever_null(job_type: JobType) -> None:
    def values(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [inner for one in value.values() for inner in values(one)]
        return [inner for one in value for inner in values(one)] if isinstance(value, list) else [value]

    assert None not in values(detail(a_job(job_type, started=None), "", ""))


def test_lists_and_objects_are_empty_where_nothing_was_given() -> None:
    bare = detail(a_job(JobType.PREFLIGHT), "", "")
    assert [bare[name] for name in ("conditions", "inputs", "outputs", "hostpath", "excludedNodes")] == [[]] * 5
    assert [bare[name] for name in ("env", "resource", "links")] == [{}] * 3


def test_options_are_answered_as_they_were_sent() -> None:
    options = {
        "env": {"CHECK_DISK": "true"},
        "resource": {"cpu": "8"},
        "image": "harbor.example.com/tools/preflight:latest",
        "entryPoint": "YmFzaA==",
        "hostpath": ["/nfs_models"],
        "isTolerateAll": True,
        "excludedNodes": ["n9"],
        "ttlSecondsAfterFinished": 3600,
    }
    answer = shown(a_job(JobType.PREFLIGHT, options=options))
    assert {name: answer[name] for name in options} == options


def test_an_addons_options_have_the_documents_defaults() -> None:
    answer = shown(a_job())
    assert (answer["batchCount"], answer["availableRatio"], answer["securityUpgrade"]) == (1, 1.0, False)


@pytest.mark.parametrize("stored", [0.75, "0.75"])
def test_a_ratio_is_a_number(stored: object) -> None:
    assert shown(a_job(options={"availableRatio": stored}))["availableRatio"] == 0.75


def test_conditions_have_the_shape_of_kubernetes() -> None:
    job = a_job(conditions=(Condition(Phase.RUNNING, "Started", "job started", STARTED),))
    assert shown(job)["conditions"] == [
        {
            "type": "Running",
            "status": "True",
            "reason": "Started",
            "message": "job started",
            "lastTransitionTime": "2025-01-10T08:05:00.123Z",
        }
    ]


def test_inputs_and_outputs_are_pairs() -> None:
    job = a_job(inputs=(Named("cluster", "prod"),), outputs=(Named("report", "s3://b/r.json"),))
    assert shown(job)["inputs"] == [{"name": "cluster", "value": "prod"}]
    assert shown(job)["outputs"] == [{"name": "report", "value": "s3://b/r.json"}]


PLAN = Plan(
    (
        PlannedNode("n1", NodePhase.SUCCEEDED, "", CREATED, STARTED),
        PlannedNode("n2", NodePhase.FAILED, "disk full"),
        PlannedNode("n3", NodePhase.SKIPPED),
        PlannedNode("n4", NodePhase.RUNNING),
        PlannedNode("n5", NodePhase.WAITING),
    ),
    (ExcludedNode("n9", "is NotReady"),),
)


def test_a_plan_shows_each_node_and_who_is_left_out() -> None:
    answer = plan_representation(PLAN)
    assert answer["nodes"][0] == {
        "name": "n1",
        "phase": "Succeeded",
        "message": "",
        "start": "2025-01-10T08:00:00.000Z",
        "end": "2025-01-10T08:05:00.123Z",
    }
    assert answer["nodes"][1]["start"] == ""
    assert answer["excluded"] == [{"name": "n9", "reason": "is NotReady"}]


def test_progress_counts_the_nodes_that_are_through() -> None:
    assert progress(PLAN) == "3/5"
    assert progress(Plan()) == "0/0"


def test_links_lead_to_the_very_workflow() -> None:
    job = a_job(workflow_uid="1234-abcd")
    address = "https://argo.example.com/workflows/opsjobs-jobs/addon-upgrade-abc123?uid=1234-abcd"
    assert shown(job)["links"] == {"argo": address}


@pytest.mark.parametrize(("base", "uid"), [("", "1234"), ("https://argo", "")])
def test_there_is_no_link_to_nowhere(base: str, uid: str) -> None:
    assert detail(a_job(workflow_uid=uid), base, "jobs")["links"] == {}


def test_a_workflow_that_is_gone_has_no_link() -> None:
    """Argo's page would say that there is none."""
    assert "links" not in detail(a_job(workflow_uid="u", workflow_gone=True), "https://argo.example.com", "jobs")

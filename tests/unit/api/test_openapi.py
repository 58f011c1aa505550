"""/openapi.json says what the routes do: its references lead somewhere, and the answers are as it describes them."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from service.api import app as http
from service.api import responses
from service.api.examples import EXAMPLES
from service.api.openapi import document
from service.api.request_bodies import MODELS
from service.domain.job import Condition, ExcludedNode, Job, JobType, Named, Phase, Plan, PlannedNode
from service.domain.job_representation import detail, item, plan_representation
from tests.unit.api.test_app import nothing


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document(http.build(nothing))


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    references = re.findall(r"'\$ref': '([^']+)'", str(described))
    assert references
    for reference in references:
        assert reference.removeprefix("#/components/schemas/") in described["components"]["schemas"]


def test_every_call_but_the_probes_asks_for_a_token_and_says_what_it_refuses(described: dict[str, Any]) -> None:
    for path, operations in described["paths"].items():
        for operation in operations.values():
            guarded = path not in ("/healthz", "/readyz")
            assert ("security" in operation) == guarded
            assert ("401" in operation["responses"]) == (path != "/healthz")
            problems = [found for status, found in operation["responses"].items() if status >= "400"]
            assert all("application/problem+json" in found["content"] for found in problems)
            assert path == "/readyz" or all(len(found["content"]) == 1 for found in problems)


def test_each_type_is_told_apart_by_its_name(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    kinds = {model.__name__: schemas[model.__name__]["properties"]["type"] for model in MODELS.values()}
    assert sorted(kind["const"] for kind in kinds.values()) == sorted(JobType)


def test_it_shows_the_documents_own_requests(described: dict[str, Any]) -> None:
    content = described["paths"]["/api/v1/opsjobs"]["post"]["requestBody"]["content"]["application/json"]
    assert [example["value"] for example in content["examples"].values()] == list(EXAMPLES)


@pytest.mark.parametrize("kind", JobType)
def test_answers_are_as_described(kind: JobType) -> None:
    now = datetime.now(UTC)
    job = Job(
        job_id="a-1",
        job_name="a",
        type=kind,
        cluster_id="c",
        user_id="u",
        user_name="alice",
        created=now,
        conditions=(Condition(Phase.PENDING, "Created", "job created", now),),
        inputs=(Named("node", "n"),),
        plan=Plan((PlannedNode("n", start=now),), (ExcludedNode("m", "is cordoned"),)),
        workflow_uid="1",
        options={"env": {"A": "b"}, "availableRatio": 0.5},
    )
    responses.Item.model_validate(item(job))
    responses.Detail.model_validate(detail(job, "https://argo.example.com", "jobs"))
    responses.Planned.model_validate({"plan": plan_representation(job.plan), "planDigest": "0" * 64})

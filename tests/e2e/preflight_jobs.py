"""Preflight jobs as the tests begin them, and what such a job leaves in the object store."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from tests.e2e.argo_pages import bearer
from tests.e2e.live import Api, Cluster, inputs
from workflow_templates.object_store import Store
from workflow_templates.protocol.sigv4 import Signer
from workflow_templates.protocol.store_location import StoreLocation

BUCKET = "opsjobs"
SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "preflight-report.schema.json"


@pytest.fixture(scope="module")
def image(cluster: Cluster) -> str:
    return cluster.image


@pytest.fixture
def store(cluster: Cluster) -> Iterator[Store]:
    keys = cluster.get("secret", "opsjobs-store", "-n", cluster.jobs)["data"]
    access_key, secret_key = (base64.b64decode(keys[name]).decode() for name in ("accessKey", "secretKey"))
    with httpx.Client() as http:
        place = StoreLocation(endpoint=cluster.facts["storeUrl"], bucket=BUCKET)
        yield Store(http, place, Signer(access_key, secret_key, "us-east-1"))


def check(api: Api, image: str, script: str, nodes: list[str], **body: Any) -> str:
    """Begin a script on nodes of the test's own; answers the job's id."""
    entry_point = base64.b64encode(script.encode()).decode()
    defaults = {"name": "e2e preflight", "type": "preflight", "inputs": inputs(nodes=nodes)}
    return api.create(**(defaults | {"image": image, "entryPoint": entry_point} | body))


def outputs(job: dict[str, Any]) -> dict[str, str]:
    return {output["name"]: output["value"] for output in job["outputs"]}


def stored(store: Store, job: dict[str, Any], name: str = "report.json") -> str:
    """A file of the job's report."""
    address = outputs(job)["report"]
    assert address == f"s3://{BUCKET}/preflight/{job['jobId']}/report.json"
    return store.request("GET", store.location.url(f"preflight/{job['jobId']}/{name}")).text


def report(store: Store, job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The report's nodes by name; the report keeps to the schema that is published."""
    found = json.loads(stored(store, job))
    jsonschema_rs.validator_for(json.loads(SCHEMA.read_text())).validate(found)
    return {node["name"]: node for node in found["nodes"]}


def shown_by_argo(cluster: Cluster, job_id: str) -> str:
    """The picture as Argo's server hands it to its UI."""
    workflow = cluster.get("workflow", job_id, "-n", cluster.jobs)
    (step,) = (node for node in workflow["status"]["nodes"].values() if node.get("templateName") == "picture")
    address = f"{cluster.facts['argoUrl']}/artifacts/{cluster.jobs}/{job_id}/{step['id']}/matrix"
    shown = httpx.get(address, headers={"Authorization": bearer(cluster)}, verify=cluster.trust)
    assert shown.status_code == 200, shown.text
    return shown.text


def given_back(cluster: Cluster, *nodes: str) -> bool:
    return all(cluster.cordon_of(node) == (False, {}) and cluster.lease_of(node) is None for node in nodes)

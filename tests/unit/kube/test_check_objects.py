"""What a preflight job has where its checks run: made once, owned by one object, and gone with that."""

import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from service.domain.job import JobType
from service.kube import manifest
from service.kube.check_objects import CheckObjects
from service.kube.client import KubeSettings
from tests.unit.kube.conftest import Served
from tests.unit.kube.test_manifest import JOB

SETTINGS = KubeSettings(jobs_namespace="jobs", checks_namespace="checks")
FILES = {"entrypoint": "true", "nodes": "a\n", "peers": "p\n", "check.json": "{}", "plan.json": "{}"}
PREFLIGHT = replace(JOB, type=JobType.PREFLIGHT, work={"parameters": {}, "files": FILES, "secret": True})


def test_the_script_is_for_the_checks_and_the_rest_for_the_steps() -> None:
    checks, steps = manifest.check_files(PREFLIGHT, SETTINGS), manifest.files(PREFLIGHT, "w", SETTINGS, "uid-1")
    assert steps is not None
    assert (checks["metadata"]["namespace"], steps["metadata"]["namespace"]) == ("checks", "jobs")
    assert set(checks["data"]) == {"entrypoint", "nodes", "peers"}
    assert set(steps["data"]) == {"check.json", "plan.json", "owner"}
    assert steps["data"]["owner"] == "uid-1"
    assert steps["metadata"]["ownerReferences"][0]["kind"] == "Workflow"
    assert "ownerReferences" not in checks["metadata"], "an owner lies in the same namespace"
    assert not manifest.has_checks(JOB)


@pytest.mark.parametrize("again", [False, True])
async def test_the_files_take_the_secret_over_also_if_they_are_there_already(served: Served, *, again: bool) -> None:
    asked: list[tuple[str, str, Any]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append((request.method, request.path, await request.json() if request.can_read_body else None))
        if again and request.method == "POST":
            return web.json_response({"message": "already exists"}, status=409)
        return web.json_response({"metadata": {"name": JOB.job_id, "uid": "uid-of-files"}})

    async with served(answer) as api:
        assert await CheckObjects(api, SETTINGS).create_checks(PREFLIGHT) == "uid-of-files"
    method, path, patch = asked[-1]
    assert (method, path) == ("PATCH", f"/api/v1/namespaces/checks/secrets/{JOB.job_id}")
    (owner,) = patch["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("ConfigMap", JOB.job_id, "uid-of-files")
    assert {path.split("/")[4] for _, path, _ in asked} == {"checks"}


async def test_only_what_carries_a_jobs_id_as_its_name_is_a_jobs(served: Served) -> None:
    def item(name: str, job: str, **metadata: Any) -> dict[str, Any]:
        created = {"creationTimestamp": "2026-01-02T03:04:05Z"}
        return {"metadata": {"name": name, "labels": {"opsjob.io/job-id": job}, **created, **metadata}}

    listed = [item("job-1", "job-1"), item("other", "job-1"), item("job-2", "job-2", ownerReferences=[{"uid": "u"}])]

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=json.dumps({"metadata": {}, "items": listed}), content_type="application/json")

    async with served(answer) as api:
        objects = CheckObjects(api, SETTINGS)
        assert await objects.jobs_with_checks() == ["job-1", "job-2"]
        assert await objects.unowned_secrets(600) == ["job-1"]

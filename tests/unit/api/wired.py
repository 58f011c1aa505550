"""The API over whatever stands in for the rest, for tests that send requests in-process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
from fastapi import FastAPI

from service.api import app as http
from service.api.body_memory import BodyMemory
from service.api.caller_limit import CallerLimit
from service.api.dependencies import Dependencies
from service.api.readiness import Readiness
from service.jobs.audit_trail import AuditRecorder
from service.jobs.job_followers import JobFollowers
from service.jobs.workspace_namespaces import WorkspaceNamespaces
from tests.unit.api.test_app import nothing


def app_of(**parts: Any) -> FastAPI:
    """The app with these parts of its Dependencies; what is not given is not there."""
    given: dict[str, Any] = {
        "records": None,
        "cluster": None,
        "reviews": None,
        "output": None,
        "submission": SimpleNamespace(cluster_id="prod"),
        "argo_ui_url": "",
        "jobs_namespace": "opsjobs-jobs",
        "caller_limit": CallerLimit(9),
        "max_body_bytes": 9_999,
        "followers": JobFollowers(parts.get("records")),  # type: ignore[arg-type]  # whatever stands in
        "audit_recorder": AuditRecorder(parts.get("records")),  # type: ignore[arg-type]  # whatever stands in
        "body_memory": BodyMemory(99_999, seconds=1),
        "workspace_namespaces": WorkspaceNamespaces(parts.get("cluster"), parts.get("records"), "prod"),  # type: ignore[arg-type]  # whatever stands in
        **parts,
    }
    made = http.build(nothing)
    made.state.dependencies = Dependencies(**{"readiness": Readiness(given["records"], given["cluster"]), **given})
    return made


@asynccontextmanager
async def client_of(app: FastAPI, who: str = "alice") -> AsyncIterator[httpx.AsyncClient]:
    """A client whose token is `who`; empty: it has none."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {who}"} if who else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client

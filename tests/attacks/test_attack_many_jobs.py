"""Jobs without bound.

Before: one caller filled the records' volume with about 1,100 jobs of a megabyte each, and had each Workflow stay in
etcd for 68 years by its ttlSecondsAfterFinished.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI

from service.api.caller_limit import CallerLimit
from service.domain.cluster_objects import Caller, Node, Workspace
from service.domain.job import Job, JobType
from service.jobs.permissions import Permissions
from service.jobs.ports import Quota
from service.jobs.preparation import Work
from service.jobs.submit import Limits, Submission
from service.jobs.workspace_namespaces import WorkspaceNamespaces
from service.records import open_records
from service.records.store import SqlRecords
from tests.new_store import new_store
from tests.unit.api.wired import app_of

JOBS = "/api/v1/opsjobs"
BODY: dict[str, Any] = {"type": "reboot", "inputs": [{"name": "node", "value": "n1"}]}
MONTH = 30 * 86_400


class World:
    """A cluster that takes every Workflow, and reviews that let everybody do everything."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.secrets: list[str] = []

    async def caller(self, token: str) -> Caller:
        return Caller(token, token)

    async def granted(self, _who: Caller, _verb: str, kinds: Any, _namespaces: Any) -> frozenset[Any]:
        return frozenset((kind, None) for kind in kinds)

    async def may(self, *_asked: Any) -> bool:
        return True

    async def workspaces(self, **_how: bool) -> dict[str, Workspace]:
        return {"team-a": Workspace("team-a", ("ns-a",))}

    async def workspace(self, workspace_id: str) -> Workspace | None:
        return (await self.workspaces()).get(workspace_id)

    async def nodes(self, _names: Any = None) -> list[Node]:
        return [Node("n1", labels={"opsjob.io/workspace": "team-a"})]

    async def create_secret(self, job: Job, _values: Any) -> None:
        self.secrets.append(job.job_id)

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def delete_secret(self, job_id: str) -> None:
        self.secrets.remove(job_id)

    async def create_workflow(self, job: Job) -> None:
        self.created.append(job.job_id)

    async def prepare(self, _order: Any, _selection: Any) -> Work:
        return Work(secret={"TOKEN": "x"})


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[SqlRecords]:
    async with open_records(await new_store(tmp_path)) as opened:
        yield opened


def service(world: World, records: SqlRecords, quota: Quota) -> FastAPI:
    port = cast("Any", world)
    homes = WorkspaceNamespaces(port, records, "local")
    submission = Submission(
        records=records,
        cluster=port,
        permissions=Permissions(port, homes),
        cluster_id="local",
        workspace_label="opsjob.io/workspace",
        templates={JobType.REBOOT: "opsjob-reboot-00000000"},
        default_timeout_seconds=0,
        kinds={JobType.REBOOT: port},
        limits=Limits(ttl_seconds=MONTH),
        quota=quota,
    )
    return app_of(
        records=records,
        cluster=port,
        reviews=port,
        submission=submission,
        workspace_namespaces=homes,
        caller_limit=CallerLimit(1_000),
    )


async def submitted(app: FastAPI, who: list[str], **fields: Any) -> list[httpx.Response]:
    """All at the same moment."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await asyncio.gather(
            *(
                client.post(JOBS, json={"name": f"j{n}", **BODY, **fields}, headers={"Authorization": f"Bearer {name}"})
                for n, name in enumerate(who)
            )
        )


async def test_a_caller_has_so_many_unfinished_jobs_and_no_more(records: SqlRecords) -> None:
    world = World()
    answers = await submitted(service(world, records, Quota(per_caller=5)), ["mallory"] * 20)
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 15
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) > 0
    assert "you have 5 unfinished jobs, and at most 5 are accepted at a time" in refused.json()["errorMessage"]
    assert len(world.created) == len(world.secrets) == 5, "what was refused left nothing behind"


async def test_many_callers_fill_their_workspace_and_no_other(records: SqlRecords) -> None:
    app = service(World(), records, Quota(per_workspace=4))
    inputs = [{"name": "workspace", "value": "team-a"}]
    answers = await submitted(app, [f"m-{number}" for number in range(10)], inputs=inputs)
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [429] * 6
    (other,) = await submitted(app, ["m-0"])
    assert other.status_code == 200


async def test_another_caller_is_not_kept_out(records: SqlRecords) -> None:
    app = service(World(), records, Quota(per_caller=1))
    await submitted(app, ["mallory"] * 5)
    (answer,) = await submitted(app, ["alice"])
    assert answer.status_code == 200


@pytest.mark.parametrize("seconds", [MONTH + 1, 2**31 - 1])
async def test_no_workflow_stays_for_decades(records: SqlRecords, seconds: int) -> None:
    world = World()
    (answer,) = await submitted(service(world, records, Quota()), ["mallory"], ttlSecondsAfterFinished=seconds)
    assert answer.status_code == 400
    assert [fault["path"] for fault in answer.json()["errors"]] == ["ttlSecondsAfterFinished"]
    assert not world.created


def test_the_installed_service_bounds_it_too(session: httpx.Client) -> None:
    body = {"name": "x", **BODY, "ttlSecondsAfterFinished": 2**31 - 1}
    assert "is at most 2592000 here" in session.post(f"{JOBS}?dryRun=true", json=body).text

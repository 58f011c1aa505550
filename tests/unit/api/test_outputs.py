"""GET /{id}/outputs/{name}: what a job left, through the service; nothing else of the store."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.domain.job import Job, JobType, Named, Phase
from service.jobs.ports import UnavailableError
from service.jobs.store_ports import NoSuchObjectError, StoredObject
from tests.unit.api.test_log import Kubelets, job
from tests.unit.api.wired import client_of
from tests.unit.api.world import JOBS
from workflow_templates.protocol.store_location import StoreLocation

URL = f"{JOBS}/job-abc123/outputs"
REPORT = Named("report", "s3://opsjobs/preflight/job-abc123/report.json")
ARCHIVE = (
    Named("endpoint", "https://store/?X-Amz-Signature=1"),
    Named("log", "s3://opsjobs/dumplog/train/job-abc123.tar.gz"),
)


@dataclass
class Store:
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    away: bool = False
    closed: int = 0

    def key(self, address: str) -> str:
        return StoreLocation(endpoint="https://store", bucket="opsjobs").key(address)

    @asynccontextmanager
    async def open(self, key: str, headers: Mapping[str, str]) -> AsyncIterator[StoredObject]:
        self.asked.append((key, dict(headers)))
        if self.away:
            raise UnavailableError("the object store does not answer")
        if key not in self.objects:
            raise NoSuchObjectError(f"no {key}")
        content = self.objects[key]

        async def pieces() -> AsyncIterator[bytes]:
            for begin in range(0, len(content), 1000):
                yield content[begin : begin + 1000]

        try:
            length = {"content-length": str(len(content)), "etag": '"1"'}
            yield StoredObject(HTTPStatus.PARTIAL_CONTENT if headers else HTTPStatus.OK, length, pieces())
        finally:
            self.closed += 1


def app(made: Job, store: Store | None, **facts: Any) -> FastAPI:
    here = Kubelets(jobs={"job-abc123": made}, **facts)
    built = here.app()
    built.state.dependencies = replace(built.state.dependencies, stored=store)
    return built


def left(kind: JobType, *outputs: Named, **facts: Any) -> Job:
    return job("n1", type=kind, outputs=outputs, **facts)


async def get(built: FastAPI, name: str, who: str = "alice", **headers: str) -> httpx.Response:
    async with client_of(built, who) as client:
        return await client.get(f"{URL}/{name}", headers=headers)


async def test_a_report_a_picture_and_an_archive_come_through_the_service_as_attachments() -> None:
    picture = b"<svg onload='alert(1)'/>" * 1000
    store = Store({"preflight/job-abc123/matrix.svg": picture, "dumplog/train/job-abc123.tar.gz": b"\x1f\x8b"})
    answer = await get(app(left(JobType.PREFLIGHT, REPORT), store), "picture")
    assert (answer.status_code, answer.content, store.closed) == (200, picture, 1)
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="job-abc123-matrix.svg"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["Content-Length"] == str(len(picture))
    archive = await get(app(left(JobType.DUMPLOG, *ARCHIVE), store), "archive")
    assert (archive.content, archive.headers["Content-Type"]) == (b"\x1f\x8b", "application/gzip")


async def test_a_range_is_the_stores_to_cut() -> None:
    store = Store({"preflight/job-abc123/report.json": b"{}"})
    asked = {"Range": "bytes=0-1", "If-Range": '"1"'}
    answer = await get(app(left(JobType.PREFLIGHT, REPORT), store), "report", **asked)
    assert answer.status_code == 206
    assert store.asked == [("preflight/job-abc123/report.json", asked)]


@pytest.mark.parametrize(
    "asked",
    [
        {"Range": "bytes=0-1,4-5"},
        {"Range": "bytes=" + "0-0," * 5_000 + "0-0"},
        {"Range": "bytes=-0-1"},
        {"Range": "bytes=" + "9" * 40 + "-"},
        {"Range": "bytes=0-\xe9"},
        {"Range": "bytes=0-1", "If-Range": '"\xe9"'},
        {"Range": "bytes=0-1", "If-Range": '"' + "1" * 300 + '"'},
        {"If-Range": '"\xe9"'},
    ],
)
async def test_what_is_no_single_range_is_not_sent_to_the_store(asked: dict[str, str]) -> None:
    store = Store({"preflight/job-abc123/report.json": b"{}"})
    sent = [(name.encode(), text.encode("latin-1")) for name, text in asked.items()]
    async with client_of(app(left(JobType.PREFLIGHT, REPORT), store)) as client:
        answer = await client.get(f"{URL}/report", headers=sent)
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert store.asked == [("preflight/job-abc123/report.json", {})]


@pytest.mark.parametrize(
    ("asked", "status", "content", "where"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
    ],
)
async def test_a_report_of_the_record_has_ranges_too(
    asked: str, status: int, content: bytes, where: str | None
) -> None:
    answer = await get(app(left(JobType.REBOOT, Named("report", "0123456789")), None), "report", Range=asked)
    assert (answer.status_code, answer.headers.get("Content-Range")) == (status, where)
    assert answer.content == content or status == 416


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (left(JobType.ADDON, Named("report", "[]")), "archive"),
        (left(JobType.EXPORTIMAGE), "report"),
        (left(JobType.PREFLIGHT, phase=Phase.RUNNING), "report"),
        (left(JobType.PREFLIGHT, REPORT), "..%2F..%2Fsecrets"),
        (left(JobType.PREFLIGHT, REPORT), "junit"),
    ],
)
async def test_what_is_not_there_is_404_that_says_so(made: Job, name: str) -> None:
    answer = await get(app(made, Store()), name)
    assert answer.status_code == 404, answer.text
    if "%2F" not in name:
        assert answer.json()["errorCode"] == "UNKNOWN_OUTPUT"


@pytest.mark.parametrize(
    "address",
    [
        "s3://opsjobs/preflight/another-job/report.json",
        "s3://opsjobs/dumplog/train/job-abc123.tar.gz",
        "s3://opsjobs/preflight/../job-abc123/report.json",
        "s3://elsewhere/preflight/job-abc123/report.json",
        "s3://opsjobs/preflight/job-abc123-2/report.json",
        "https://169.254.169.254/preflight/job-abc123/report.json",
        "s3://opsjobs/preflight/job-abc123/report.json?versionId=1",
    ],
)
async def test_only_what_a_step_of_this_job_put_there_is_read(address: str) -> None:
    """A job's outputs are what its steps reported."""
    store = Store({"preflight/another-job/report.json": b"{}", "dumplog/train/job-abc123.tar.gz": b"logs"})
    answer = await get(app(left(JobType.PREFLIGHT, Named("report", address)), store), "report")
    assert (answer.status_code, store.asked) == (404, [])


async def test_without_a_key_of_the_service_it_says_which_value_is_missing() -> None:
    answer = await get(app(left(JobType.PREFLIGHT, REPORT), None), "report")
    assert answer.status_code == 404
    assert "objectStore.serviceSecret" in answer.json()["errorMessage"]


async def test_a_store_that_is_away_is_503() -> None:
    answer = await get(app(left(JobType.PREFLIGHT, REPORT), Store(away=True)), "report")
    assert answer.status_code == 503


async def test_an_archive_is_for_who_may_have_its_link() -> None:
    files = {"files": {"dumplog.json": '{"workloads": [{"namespace": "team", "name": "train", "pods": []}]}'}}
    made, store = left(JobType.DUMPLOG, *ARCHIVE, work=files), Store({"dumplog/train/job-abc123.tar.gz": b"logs"})
    assert (await get(app(made, store), "archive", who="mallory")).status_code == 404
    assert (await get(app(made, store, verbs={"get"}, readable=False), "archive", who="bob")).status_code == 403
    assert (await get(app(made, store, verbs={"get"}), "archive", who="bob")).content == b"logs"

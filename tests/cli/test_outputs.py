"""opsjobs report and download: what a job left behind, from a store that breaks off."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from service.domain.job import Condition, JobType, Named, Phase
from tests.cli.conftest import Opsjobs
from tests.cli.scripted import Answer, Scripted, content, job, problem
from tests.cli.served import Served

ENDED = Condition(Phase.SUCCEEDED, "Succeed", "job finished successfully", datetime.now(UTC))
ARCHIVE = bytes(range(256)) * 4000


@dataclass
class Store:
    """An object behind a link. `cut`: after so many bytes of an answer the connection breaks, once each."""

    content: bytes = ARCHIVE
    tag: str = '"one"'
    cut: list[int] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    status: int = 0


@pytest.fixture
def store() -> Iterator[Store]:
    found = Store()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(dict(self.headers))
            begin = 0
            given = self.headers.get("Range", "")
            if given and self.headers.get("If-Range") == found.tag:
                begin = int(given.removeprefix("bytes=").removesuffix("-"))
            status = found.status or (206 if begin else 200)
            if begin and begin >= len(found.content):
                status = 416
            self.send_response(status)
            self.send_header("ETag", found.tag)
            if status == 416:
                self.send_header("Content-Range", f"bytes */{len(found.content)}")
                begin = len(found.content)
            self.send_header("Content-Length", str(len(found.content) - begin))
            self.end_headers()
            rest = found.content[begin:]
            self.wfile.write(rest[: found.cut.pop(0)] if found.cut else rest)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}/archive?signed=yes"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def dumped(service: Served, store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("opsjobs_cli.downloading._PAUSE", 0)
    job_id = f"dumped-{store.url.rpartition(':')[2][:5]}a"
    if not service.has(job_id):
        outputs = (Named("endpoint", store.url), Named("log", "s3://a/b"))
        service.add(JobType.DUMPLOG, job_id=job_id, phase=Phase.SUCCEEDED, outputs=outputs, conditions=(ENDED,))
    return job_id


def test_an_archive_comes_whole_and_no_token_goes_to_the_store(
    opsjobs: Opsjobs, store: Store, dumped: str, tmp_path: Path
) -> None:
    target = tmp_path / "logs.tar.gz"
    ended = opsjobs("download", dumped, "-f", str(target))
    assert ended.code == 0, ended.err
    assert target.read_bytes() == ARCHIVE
    assert "1,024,000 bytes" in ended.err
    assert list(tmp_path.glob("logs*")) == [target]
    assert "Authorization" not in store.asked[0]


def test_what_breaks_off_goes_on_where_it_stopped(opsjobs: Opsjobs, store: Store, dumped: str, tmp_path: Path) -> None:
    store.cut = [300_000, 200_000]
    assert opsjobs("download", dumped, "-f", str(tmp_path / "logs")).code == 0
    assert (tmp_path / "logs").read_bytes() == ARCHIVE
    assert [headers.get("Range") is not None for headers in store.asked] == [False, True, True]


def test_a_later_command_goes_on_too(opsjobs: Opsjobs, store: Store, dumped: str, tmp_path: Path) -> None:
    store.cut = [300_000, *[0] * 9]
    broken = opsjobs("download", dumped, "-f", str(tmp_path / "logs"))
    assert broken.code == 4
    assert "goes on from" in broken.err
    assert not (tmp_path / "logs").exists()
    store.cut.clear()
    store.asked.clear()
    assert opsjobs("download", dumped, "-f", str(tmp_path / "logs")).code == 0
    assert (tmp_path / "logs").read_bytes() == ARCHIVE
    assert "Range" in store.asked[0]


def test_the_rest_of_another_object_is_not_put_behind_it(
    opsjobs: Opsjobs, store: Store, dumped: str, tmp_path: Path
) -> None:
    store.cut = [300_000, *[0] * 9]
    opsjobs("download", dumped, "-f", str(tmp_path / "logs"))
    store.cut.clear()
    store.content, store.tag = b"another", '"two"'
    assert opsjobs("download", dumped, "-f", str(tmp_path / "logs")).code == 0
    assert (tmp_path / "logs").read_bytes() == b"another"


def test_a_whole_part_needs_nothing_more(opsjobs: Opsjobs, store: Store, dumped: str, tmp_path: Path) -> None:
    (tmp_path / "logs.part").write_bytes(ARCHIVE)
    (tmp_path / "logs.part.etag").write_text(store.tag)
    assert opsjobs("download", dumped, "-f", str(tmp_path / "logs")).code == 0
    assert (tmp_path / "logs").read_bytes() == ARCHIVE


def test_a_file_that_is_there_is_not_overwritten(opsjobs: Opsjobs, store: Store, dumped: str, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("mine")
    assert opsjobs("download", dumped, "-f", str(tmp_path / "logs")).code == 3
    assert (tmp_path / "logs").read_text() == "mine"
    assert not store.asked


def test_a_link_that_has_ended_is_said(opsjobs: Opsjobs, store: Store, dumped: str, tmp_path: Path) -> None:
    store.status = 403
    ended = opsjobs("download", dumped, "-f", str(tmp_path / "logs"))
    assert ended.code == 3
    assert "expired" in ended.err


def test_a_preflight_report_is_a_table_of_marks(opsjobs: Opsjobs, service: Served, store: Store) -> None:
    def check(name: str, status: str) -> dict[str, object]:
        reason = "" if status == "pass" else "too slow"
        return {"name": name, "status": status, "value": 3, "unit": "GB/s", "reason": reason, "suggestedAction": "swap"}

    def node(name: str, status: str, *checks: dict[str, object]) -> dict[str, object]:
        return {"name": name, "status": status, "reason": "a check failed", "exitCode": 1, "startTime": "",
                "endTime": "", "seconds": 65.4, "checks": checks, "lastLines": "one\ntwo"}  # fmt: skip

    nodes = [node("n1", "pass", check("disk", "pass")), node("n2", "fail", check("disk", "fail"))]
    totals = {"pass": 1, "fail": 1, "error": 0, "skip": 0}
    store.content = json.dumps({"version": 1, "totals": totals, "nodes": nodes}).encode()
    job_id = f"checked-{store.url.rpartition(':')[2][:5]}a"
    outputs = (Named("report", store.url),)
    service.add(JobType.PREFLIGHT, job_id=job_id, phase=Phase.FAILED, outputs=outputs, conditions=(ENDED,))
    ended = opsjobs("report", job_id)
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].split() == ["NODE", "RESULT", "disk", "TOOK"]
    assert lines[1].split() == ["n1", "✔", "pass", "✔", "pass", "65s"]
    assert lines[2].split()[:3] == ["n2", "✘", "fail"]
    assert "disk: fail 3GB/s too slow → swap" in ended.out
    assert opsjobs("report", job_id, "-o", "name").out == "n2\n"
    assert "n1" not in opsjobs("report", job_id, "--failed").out
    assert json.loads(opsjobs("report", job_id, "-o", "json").out)["totals"] == totals


def test_an_addons_and_a_reboots_report_are_tables_too(opsjobs: Opsjobs, service: Served) -> None:
    addon = [{"node": "n1", "result": "failed", "message": "fix failed", "templates": [
        {"name": "fix", "result": "failed", "exitCode": 1, "lastLines": "first\nlast\n"}]}]  # fmt: skip
    reboot = [{"node": "n1", "result": "succeeded", "message": "", "oldBootId": "a", "newBootId": "b",
               "secondsDown": 70, "secondsToReady": 130.5, "evicted": ["a/b"]},
              {"node": "n2", "result": "skipped", "message": "not begun", "oldBootId": None, "newBootId": None,
               "secondsDown": None, "secondsToReady": None, "evicted": []}]  # fmt: skip
    for kind, nodes in ((JobType.ADDON, addon), (JobType.REBOOT, reboot)):
        job_id = f"reported-{kind}-aaaaaa"
        outputs = (Named("report", json.dumps(nodes)),)
        if not service.has(job_id):
            service.add(kind, job_id=job_id, phase=Phase.SUCCEEDED, outputs=outputs, conditions=(ENDED,))
    assert opsjobs("report", "reported-addon-aaaaaa").out.splitlines()[1].split() == [
        "n1",
        "fix",
        "✘",
        "failed",
        "last",
    ]
    lines = opsjobs("report", "reported-reboot-aaaaaa").out.splitlines()
    assert lines[1].split() == ["n1", "✔", "succeeded", "70s", "2m10s", "1"]
    assert lines[2].split() == ["n2", "-", "skipped", "0", "not", "begun"]


JOB = "dumped-aaaaaa"
PATH = f"/api/v1/opsjobs/{JOB}"
OUTPUT = f"{PATH}/outputs/archive"


def archive(part: bytes, status: int = 200, *, breaks: bool = False) -> Answer:
    return Answer(part, status, "application/gzip", {"ETag": '"one"'}, breaks=breaks)


@pytest.fixture
def through_service(scripted: Scripted, store: Store, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    monkeypatch.setattr("opsjobs_cli.downloading._PAUSE", 0)
    outputs = [{"name": "endpoint", "value": store.url}]
    scripted.answers[PATH] = [content(job(JOB, "Succeeded", type="dumplog", outputs=outputs))]
    return scripted


def test_an_archive_comes_through_the_service_and_goes_on_where_it_stopped(
    opsjobs: Opsjobs, through_service: Scripted, store: Store, tmp_path: Path
) -> None:
    through_service.answers[OUTPUT] = [
        archive(ARCHIVE[:300_000], breaks=True),
        problem(503, "UNAVAILABLE"),
        archive(ARCHIVE[300_000:], 206),
    ]
    ended = opsjobs("download", JOB, "-f", str(tmp_path / "logs"))
    assert ended.code == 0, ended.err
    assert (tmp_path / "logs").read_bytes() == ARCHIVE
    sent = [(headers.get("Range"), headers.get("If-Range")) for _, headers in through_service.asked(OUTPUT)]
    assert sent == [(None, None), ("bytes=300000-", '"one"'), ("bytes=300000-", '"one"')]
    assert store.asked == []


@pytest.mark.parametrize("code", ["NOT_FOUND", "UNKNOWN_OUTPUT"])
def test_where_the_service_has_it_not_the_link_is_used(
    opsjobs: Opsjobs, through_service: Scripted, store: Store, tmp_path: Path, code: str
) -> None:
    """An older service; one that has no key of the object store."""
    through_service.answers[OUTPUT] = [problem(404, code)]
    assert opsjobs("download", JOB, "-f", str(tmp_path / "logs")).code == 0
    assert (tmp_path / "logs").read_bytes() == ARCHIVE
    assert "Authorization" not in store.asked[0]


def test_who_may_not_read_an_output_does_not_go_around_the_service(
    opsjobs: Opsjobs, through_service: Scripted, store: Store, tmp_path: Path
) -> None:
    through_service.answers[OUTPUT] = [problem(403, "FORBIDDEN", "you may not get pods/log there")]
    ended = opsjobs("download", JOB, "-f", str(tmp_path / "logs"))
    assert ended.code == 3
    assert "you may not get pods/log" in ended.err
    assert store.asked == []


def test_other_files_of_a_job_have_a_name(
    opsjobs: Opsjobs, through_service: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    through_service.answers[f"{PATH}/outputs/picture"] = [Answer(b"<svg/>", 200, "image/svg+xml")]
    assert opsjobs("download", JOB, "picture").code == 0
    assert (tmp_path / f"{JOB}-picture.svg").read_bytes() == b"<svg/>"
    assert opsjobs("download", JOB, "../../x").code == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{JOB}-picture.svg"]
    assert through_service.seen[-1][1] == f"{PATH}/outputs/..%2F..%2Fx"


def test_a_preflight_report_is_read_through_the_service(
    opsjobs: Opsjobs, through_service: Scripted, store: Store
) -> None:
    outputs = [{"name": "report", "value": store.url}]
    through_service.answers[PATH] = [content(job(JOB, "Succeeded", type="preflight", outputs=outputs))]
    report = {"version": 1, "totals": {"pass": 0, "fail": 0, "error": 0, "skip": 0}, "nodes": []}
    through_service.answers[f"{PATH}/outputs/report"] = [problem(503, "UNAVAILABLE"), content(report)]
    ended = opsjobs("report", JOB, "-o", "json")
    assert json.loads(ended.out) == report, ended.err
    assert store.asked == []

"""Reading one log, from an API server and kubelets that can be made to misbehave: whole, or as much as was ever had."""

import gzip
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import FIRST_TIME, HANG_UP, LAST_TIME, ApiServer, ServedLog
from workflow_templates.dumplog.logs import Log
from workflow_templates.dumplog.read_retries import RetryBudget
from workflow_templates.dumplog.reader import Reader
from workflow_templates.dumplog.spool import SPOOLS
from workflow_templates.kubernetes_api import Cluster

MIB = 1 << 20
PATH = "/api/v1/namespaces/team-a/pods/web-0"
NO_ROUTE = 'Get "https://10.0.0.2:10250/containerLogs/team-a/web-0/main": dial tcp 10.0.0.2:10250: no route to host'
#: Of 30 bytes each, 60 with their times.
LINES = b"".join(b"%027d..\n" % number for number in range(2_000))


@pytest.fixture
def reader(cluster: Cluster, tmp_path: Path) -> Reader:
    return Reader(cluster, tmp_path, MIB, RetryBudget(cluster.patience, node_seconds=0.3, pause=0.01))


def a_log(**fields: Any) -> Log:
    usual = {"namespace": "team-a", "pod": "web-0", "node": "node-1", "phase": "Running", "container": "main"}
    return Log(**{**usual, "kind": "container", **fields})


def read(reader: Reader, log: Log) -> bytes:
    content = b""
    for spool in reader.read_all([log]):
        content += gzip.decompress(b"".join(spool.pieces))
        spool.drop()
    assert log.bytes == len(content)
    return content


def serve(server: ApiServer, content: bytes = LINES, /, **fields: Any) -> ServedLog:
    server.logs["team-a/web-0/main"] = served = ServedLog(content, **fields)
    return served


@pytest.mark.parametrize(
    "content", [b"", b"x", b"x\n", b"\n\n", b"a\r\nb\r", LINES, b"y" * 3 * MIB + b"\nend"], ids=len
)
def test_a_log_is_what_was_written_with_the_times_of_its_ends(
    server: ApiServer, reader: Reader, content: bytes
) -> None:
    serve(server, content)
    log = a_log(has_ended=True)
    assert read(reader, log) == content
    assert log.error == ""
    lines = len(content.split(b"\n")) - content.endswith(b"\n")
    times = (LAST_TIME if lines == 1 else FIRST_TIME, LAST_TIME) if content else ("", "")
    assert (log.first_time, log.last_time) == times


def test_the_later_of_two_streams_may_come_first(
    server: ApiServer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = "2026-01-02T04:00:00.500000001Z"
    monkeypatch.setattr("tests.unit.workflow_templates.apiserver.FIRST_TIME", later)
    serve(server, b"error\nout\n")
    log = a_log(has_ended=True)
    assert read(reader, log) == b"error\nout\n"
    assert (log.error, log.first_time, log.last_time) == ("", LAST_TIME, later)


@pytest.mark.parametrize("has_ended", [True, False])
@pytest.mark.parametrize("way", ["cuts", "ends"])
def test_a_log_that_breaks_off_is_taken_up_where_it_did(
    server: ApiServer, reader: Reader, way: str, *, has_ended: bool
) -> None:
    """An apiserver whose kubelet dies in the middle ends its answer as if it were whole."""
    serve(server, **{way: [20_000, 10_000, 30_007]})
    log = a_log(has_ended=has_ended)
    assert read(reader, log) == LINES
    assert (log.error, log.first_time, log.last_time) == ("", FIRST_TIME, LAST_TIME)


@pytest.mark.parametrize("way", ["cuts", "ends"])
def test_what_there_is_of_a_log_that_always_breaks_off_is_kept_and_said_to_be_cut(
    server: ApiServer, reader: Reader, way: str
) -> None:
    serve(server, **{way: [20_000, 40_000, *[10_000] * 20]})
    log = a_log()
    content = read(reader, log)
    assert LINES.startswith(content)
    assert len(content) > len(LINES) // 4
    assert log.error.startswith(f"cut after {len(content)} bytes: ")


def test_one_that_ends_in_the_middle_of_its_last_line_is_not_whole(server: ApiServer, reader: Reader) -> None:
    served = serve(server, b"first\nthe last line\n")
    short = len(b"".join(served.timed())) - 3
    served.ends = [short] * 20
    log = a_log(has_ended=True)
    assert read(reader, log) == b"first\nthe last li"
    assert "the answer ended before the log did" in log.error


def test_what_a_first_try_got_stays_when_the_next_is_refused(server: ApiServer, reader: Reader) -> None:
    served = serve(server, cuts=[60_000])

    def then(path: str, query: dict[str, str]) -> ServedLog:
        found = usual(path, query)
        if found.cuts:
            served.faults = [(400, "container main is gone")]
        return found

    usual = server.log
    server.log = then  # type: ignore[method-assign]
    log = a_log()
    content = read(reader, log)
    assert len(content) > 20_000
    assert LINES.startswith(content)
    assert log.error == f"cut after {len(content)} bytes: 400 container main is gone"


@pytest.mark.slow
def test_an_apiserver_that_is_away_for_more_than_a_moment_is_outlasted(server: ApiServer, reader: Reader) -> None:
    """Only for logs: what else it is asked it answers."""
    served, log = serve(server), a_log()
    reader.budget.seconds = 30
    begun = time.monotonic()

    def away(path: str, query: dict[str, str]) -> ServedLog:
        faults = [(503, "not now"), (429, "too many"), (HANG_UP, ""), (500, "etcdserver: leader changed")]
        seen.append(path)
        served.faults = [faults[len(seen) % 4]] if time.monotonic() - begun < 3.5 else []
        return usual(path, query)

    seen: list[str] = []
    usual, server.log = server.log, away  # type: ignore[method-assign]
    assert read(reader, log) == LINES
    assert log.error == ""
    assert time.monotonic() - begun > 3.5
    assert reader.budget.down == {}


def test_one_that_stays_away_is_given_up_and_the_node_not_blamed(server: ApiServer, reader: Reader) -> None:
    serve(server, status=503, message="not now")
    reader.budget.seconds = 0.3
    log, other = a_log(), a_log()
    begun = time.monotonic()
    assert read(reader, log) == b""
    assert log.error == "the Kubernetes API did not answer: 503 not now"
    assert time.monotonic() - begun >= 0.3
    reader.budget.seconds = 600
    assert read(reader, other) == b""
    assert time.monotonic() - begun < 60, "the others do not wait for it as long again"
    assert reader.budget.down == {}


def test_a_kubelet_that_is_restarted_is_waited_for(server: ApiServer, reader: Reader) -> None:
    serve(server, faults=[(500, NO_ROUTE)] * 3)
    reader.budget.node_seconds = 60
    log = a_log()
    assert read(reader, log) == LINES
    assert log.error == ""


def test_one_that_is_not_reached_is_not_asked_again(server: ApiServer, reader: Reader) -> None:
    served = serve(server, faults=[(500, NO_ROUTE)] * 1000)
    log, other = a_log(), a_log()
    assert read(reader, log) == b""
    asked = len(served.faults)
    assert read(reader, other) == b""
    assert log.error == other.error == f"node node-1 did not answer: 500 {NO_ROUTE}"
    assert len(served.faults) == asked


def test_a_kubelet_that_never_answers_is_known_by_the_apiserver_that_does(
    server: ApiServer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(path: str, query: dict[str, str]) -> ServedLog:
        time.sleep(0.5)
        return usual(path, query)

    monkeypatch.setattr("workflow_templates.kubernetes_api._STREAMED", 0.1)
    usual, server.log = server.log, silent  # type: ignore[method-assign]
    log = a_log()
    assert read(reader, log) == b""
    assert log.error.startswith("node node-1 did not answer: ReadTimeout")


def test_what_the_kubelet_says_after_a_part_is_no_line_of_the_log(server: ApiServer, reader: Reader) -> None:
    said = b"failed to read log file: input/output error"
    serve(server, b"a\nb\n", said=said)
    log = a_log()
    assert read(reader, log) == b"a\nb\n"
    assert log.error == f"cut after 4 bytes: {said.decode()}"


def test_what_the_kubelet_says_only_once_is_forgotten(server: ApiServer, reader: Reader) -> None:
    served = serve(server, b"", said=b"failed to try resolving symlinks")

    def then(path: str, query: dict[str, str]) -> ServedLog:
        found = usual(path, query)
        if "tailLines" not in query:
            served.content, served.said = LINES, b""
        return found

    usual, server.log = server.log, then  # type: ignore[method-assign]
    log = a_log()
    assert read(reader, log) == LINES
    assert log.error == ""


def test_a_long_log_without_times_is_one_all_the_same(server: ApiServer, reader: Reader) -> None:
    """Whoever stands in for a kubelet may know no times."""
    serve(server, b"", said=LINES)
    log = a_log()
    content = read(reader, log)
    assert LINES.startswith(content)
    assert len(content) > len(LINES) - 5_000


def test_a_log_that_is_another_when_it_is_read_again_is_not_pieced_together(server: ApiServer, reader: Reader) -> None:
    """The kubelet rotated it: what comes now is no continuation of what was had."""
    served = serve(server, cuts=[60_000])

    def then(path: str, query: dict[str, str]) -> ServedLog:
        found = usual(path, query)
        if found.cuts:
            served.content = b"of another file\n" * 10_000
        return found

    usual, server.log = server.log, then  # type: ignore[method-assign]
    log = a_log()
    content = read(reader, log)
    assert content
    assert LINES.startswith(content)
    assert "rotated" in log.error


def test_a_part_that_was_handed_on_is_not_read_twice(server: ApiServer, reader: Reader) -> None:
    reader.limit = 2_000
    serve(server, cuts=[60_000, 100_000])
    log = a_log()
    assert read(reader, log) == LINES
    assert log.error == ""


def test_a_pod_of_the_same_name_is_told_from_the_one_that_was_meant(server: ApiServer, reader: Reader) -> None:
    server.put(PATH, {"metadata": {"namespace": "team-a", "uid": "new"}, "spec": {}})
    serve(server)
    log, same = a_log(uid="old"), a_log(uid="new")
    assert read(reader, log) == read(reader, same) == LINES
    assert "replaced" in log.error
    assert same.error == ""
    del server.objects[PATH]
    gone = a_log(uid="old")
    read(reader, gone)
    assert gone.error == ""


def test_a_disk_that_takes_nothing_fails_it_all_at_once(server: ApiServer, reader: Reader, tmp_path: Path) -> None:
    serve(server)
    reader.folder = tmp_path / "none"
    with pytest.raises(FileNotFoundError):
        list(reader.read_all([a_log() for _ in range(3 * SPOOLS)]))


def test_who_takes_no_more_ends_the_reading(server: ApiServer, reader: Reader) -> None:
    serve(server)
    logs = reader.read_all([a_log() for _ in range(10 * SPOOLS)])
    next(logs)
    logs.close()  # type: ignore[attr-defined]
    assert reader.budget.stopping.is_set()
    readers = [thread for thread in threading.enumerate() if thread.name.startswith("reader")]
    for thread in readers:
        thread.join(30)
    assert not any(thread.is_alive() for thread in readers)
    assert len(list(reader.folder.iterdir())) <= SPOOLS

"""The logs of nodes: read on a host that is a folder of programs, handed on as lines, taken over by the one step."""

import gzip
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import NAMESPACE, ApiServer, ServedLog
from workflow_templates.dumplog import journal, relayed_log
from workflow_templates.dumplog.archive_request import ArchiveRequest, RequestedNodes
from workflow_templates.dumplog.journal import JOURNAL, KERNEL, Bounds
from workflow_templates.dumplog.node_logs import NodeLog, NodeLogs
from workflow_templates.dumplog.read_retries import RetryBudget
from workflow_templates.dumplog.relayed_log import FullError, RelayedLog
from workflow_templates.kubernetes_api import Cluster

MIB = 1 << 20
NO_ROUTE = 'Get "https://10.0.0.2:10250/containerLogs/jobs/step/main": dial tcp 10.0.0.2:10250: no route to host'
BOUNDS = Bounds(since_hours=2, bytes=MIB, seconds=20)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose programs come before this machine's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(journal, "PATH", f"{folder}:/usr/bin:/bin")
    return folder


def program(host: Path, name: str, script: str) -> None:
    (host / name).write_text(f"#!/bin/sh\n{script}\n")
    (host / name).chmod(0o755)


def read(kind: str, bounds: Bounds = BOUNDS) -> tuple[bytes, str]:
    return journal.read(kind, bounds, prefix=())


def test_the_journal_is_asked_for_its_last_hours(host: Path) -> None:
    program(host, "journalctl", 'echo "$*"')
    content, error = read(JOURNAL)
    assert "--since=-2h" in content.decode().split()
    assert "_TRANSPORT=kernel" not in content.decode()
    assert error == ""


def test_of_the_kernel_what_it_said_before_the_last_boot_too(host: Path) -> None:
    program(host, "journalctl", 'echo "$*"')
    words = read(KERNEL)[0].decode().split()
    assert "_TRANSPORT=kernel" in words
    assert "--dmesg" not in words


def test_a_kernel_that_the_journal_does_not_hear_is_read_itself(host: Path) -> None:
    program(host, "journalctl", "exit 0")
    program(host, "dmesg", "echo '[1.0] Xid 79'")
    assert read(KERNEL) == (b"[1.0] Xid 79\n", "")


def test_a_host_without_a_journal_says_so(host: Path) -> None:
    program(host, "journalctl", "echo no journal files >&2; exit 1")
    program(host, "dmesg", "exit 1")
    assert read(JOURNAL) == (b"", "journalctl ended with exit code 1: no journal files")
    assert read(KERNEL) == (b"", "journalctl ended with exit code 1: no journal files")


def test_of_a_long_journal_the_end_is_kept_in_whole_lines(host: Path) -> None:
    program(host, "journalctl", "seq 1000000")
    content, error = read(JOURNAL)
    numbers = content.decode().splitlines()
    assert MIB - 10 <= len(content) <= MIB
    assert numbers == [str(number) for number in range(1_000_001 - len(numbers), 1_000_001)]
    assert error == "only its last 1 MiB are in it, which the chart's value dumplog.nodeLogs.mebibytes decides"


def test_a_journal_that_takes_too_long_is_ended_with_what_it_wrote(host: Path) -> None:
    program(host, "journalctl", "echo first; exec sleep 100")
    content, error = read(JOURNAL, Bounds(since_hours=2, bytes=MIB, seconds=1))
    assert (content, error) == (b"first\n", "journalctl was ended after 1 s, so its end is missing")


def taken(lines: bytes, limit: int = MIB, piece: int = 1000) -> tuple[bytes, RelayedLog]:
    """What is left of lines that come in pieces."""
    file = io.BytesIO()
    log = RelayedLog(file, limit)
    relayed_log.take((lines[begin : begin + piece] for begin in range(0, len(lines), piece)), {JOURNAL: log})
    return file.getvalue(), log


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 - a test's data


@pytest.mark.parametrize("content", [b"", b"hello\n", noise(100_000), bytes(5 * MIB)], ids=len)
def test_what_is_handed_on_is_taken_over_as_it_was(content: bytes) -> None:
    lines = list(relayed_log.lines(JOURNAL, content, "why"))
    assert max(map(len, lines)) < 16 << 10, "container runtimes cut a line there"
    file, log = taken(b"opsjob: a word of the step's\n" + b"".join(lines))
    assert gzip.decompress(file) == content
    assert (log.is_whole, log.size, log.error) == (True, len(content), "why")


def test_a_part_that_is_lost_is_noticed() -> None:
    first, *rest = relayed_log.lines(JOURNAL, noise(30_000), "")
    assert "lost" in taken(b"".join([first, *rest[:-2], rest[-1]]))[1].error
    assert "lost" in taken(b"".join([first, *rest[:-1]]))[1].error
    assert not taken(first)[1].is_whole
    with pytest.raises(ValueError, match="no log"):
        taken(b"".join(rest))


def test_more_than_one_log_or_more_than_fits_is_refused() -> None:
    with pytest.raises(ValueError, match="more than one"):
        taken(2 * next(relayed_log.lines(JOURNAL, b"x", "")))
    with pytest.raises(ValueError, match="without an end"):
        taken(b"x" * 200_000)
    with pytest.raises(FullError):
        taken(b"".join(relayed_log.lines(JOURNAL, noise(50_000), "")), limit=20_000)


@pytest.fixture
def nodes(cluster: Cluster, tmp_path: Path) -> NodeLogs:
    return NodeLogs(cluster, tmp_path, MIB, RetryBudget(cluster.patience, node_seconds=0.2, pause=0.01))


def add_step(server: ApiServer, node: str, log: ServedLog | bytes = b"", **status: Any) -> None:
    """The step of job-1 on a node, and what it handed on."""
    labels = {"workflows.argoproj.io/workflow": "job-1", "opsjob.io/step": "node-log"}
    metadata = {"labels": labels, "annotations": {"opsjob.io/node": node}}
    server.add_pod(f"step-{node}", node=node, metadata=metadata, status={"phase": "Succeeded", **status})
    served = log if isinstance(log, ServedLog) else ServedLog(log)
    server.logs[f"{NAMESPACE}/step-{node}/main"] = served


def both(journal: bytes, kernel: bytes, error: str = "") -> bytes:
    return b"".join([*relayed_log.lines(JOURNAL, journal, error), *relayed_log.lines(KERNEL, kernel, "")])


def collected(nodes: NodeLogs, asked: RequestedNodes) -> Iterator[tuple[str, bytes]]:
    for spool in nodes.read_all("job-1", asked):
        if spool.log.bytes:
            yield spool.log.name, gzip.decompress(b"".join(spool.pieces))
        spool.drop()


def errors(found: list[NodeLog]) -> dict[str, str]:
    return {log.node: log.error for log in found if log.error}


def test_both_logs_of_every_node_have_their_place(server: ApiServer, nodes: NodeLogs) -> None:
    names = tuple(f"node-{number}" for number in range(30))
    for name in names:
        add_step(server, name, both(f"journal of {name}".encode(), b"kernel"))
    found = dict(collected(nodes, RequestedNodes(names)))
    assert found == {
        **{f"nodes/{name}/journal.log": f"journal of {name}".encode() for name in names},
        **{f"nodes/{name}/kernel.log": b"kernel" for name in names},
    }
    assert nodes.unread() == []
    assert list(nodes.folder.iterdir()) == []


def test_a_node_without_logs_has_its_reason_and_costs_no_other(server: ApiServer, nodes: NodeLogs) -> None:
    add_step(server, "well", both(b"here", b"", error="only its end"))
    add_step(server, "failed", phase="Failed", message="no space")
    add_step(server, "pending", phase="Pending")
    add_step(server, "away", ServedLog(status=500, message=NO_ROUTE))
    add_step(server, "refused", ServedLog(status=403, message="not yours"))
    add_step(server, "half", both(b"here", b"there")[:20])
    wanted = ("well", "failed", "pending", "away", "refused", "half", "none")
    found = dict(collected(nodes, RequestedNodes(wanted, {"down": "is NotReady"})))
    assert found == {"nodes/well/journal.log": b"here"}
    assert {(log.node, log.kind) for log in nodes.found} == {
        (name, kind) for name in (*wanted, "down") for kind in (JOURNAL, KERNEL)
    }
    said = errors(nodes.found)
    assert said["well"] == "only its end"
    assert said["failed"] == "its step failed: no space"
    assert said["pending"].startswith("its step did not end in time")
    assert said["away"] == f"node away did not answer: 500 {NO_ROUTE}"
    assert said["refused"] == "403 not yours"
    assert "lost" in said["half"]
    assert said["none"] == "its step did not start"
    assert said["down"] == "is NotReady"


def test_a_log_that_breaks_off_is_read_again(server: ApiServer, nodes: NodeLogs) -> None:
    content = noise(50_000)
    add_step(server, "a", ServedLog(both(content, b""), cuts=[20_000, 30_000]))
    assert dict(collected(nodes, RequestedNodes(("a",)))) == {"nodes/a/journal.log": content}
    assert nodes.unread() == []


def test_what_is_whole_of_a_node_stays_when_the_rest_is_lost(server: ApiServer, nodes: NodeLogs) -> None:
    nodes.budget.seconds = 0.3
    lines = both(noise(20_000), noise(30_000))
    add_step(server, "a", ServedLog(lines, cuts=[len(lines) - 10_000, *[0] * 1000]))
    assert dict(collected(nodes, RequestedNodes(("a",)))) == {"nodes/a/journal.log": noise(20_000)}
    (unread,) = (log for log in nodes.found if log.error)
    assert (unread.kind, unread.bytes) == (KERNEL, 0)


def test_one_that_is_too_long_names_the_value_to_raise(server: ApiServer, nodes: NodeLogs) -> None:
    nodes.limit = 10_000
    add_step(server, "a", both(noise(50_000), b""))
    assert dict(collected(nodes, RequestedNodes(("a",)))) == {}
    assert "dumplog.scratchMebibytes" in nodes.unread()[0]


def test_many_nodes_of_one_reason_are_one_sentence(nodes: NodeLogs) -> None:
    why = "the job's owner may not get nodes/log of it"
    assert list(nodes.read_all("job-1", RequestedNodes((), {f"node-{number}": why for number in range(5)}))) == []
    assert nodes.unread() == [f"nodes node-0, node-1, node-2 and 2 more: {why}"]


def test_where_nobody_wants_them_nothing_is_asked(server: ApiServer, nodes: NodeLogs) -> None:
    assert list(nodes.read_all("job-1", RequestedNodes())) == []
    assert server.seen == []


def test_what_submission_wrote_is_read(tmp_path: Path) -> None:
    file = tmp_path / "dumplog.json"
    usual = {"workloads": [], "nodes": [], "excludedNodes": [], "lookedFor": ""}
    file.write_text(json.dumps(usual))
    assert ArchiveRequest.read(file).node_logs == RequestedNodes()
    file.write_text(json.dumps({**usual, "nodeLogs": {"nodes": ["a"], "leftOut": {"b": "is NotReady"}}}))
    assert ArchiveRequest.read(file).node_logs == RequestedNodes(("a",), {"b": "is NotReady"})

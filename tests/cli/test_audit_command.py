"""opsjobs audit."""

import json

from tests.cli.conftest import Opsjobs
from tests.cli.scripted import NOW, Scripted, content

ODD = "\x1b]0;owned\x07mallory\n2026-01-02 admin"


def item(**fields: object) -> dict[str, object]:
    texts = dict.fromkeys(("userId", "jobName", "type", "workspaceId", "requestId", "clusterId"), "")
    plain = {
        "time": NOW, "userName": "alice", "groups": [], "source": "10.0.0.1", "action": "stop", "jobId": "made-aaaaaa",
        "outcome": "done", "status": 200, "count": 1, "nodes": 3,
    }  # fmt: skip
    return {**texts, **plain, **fields}


def test_what_a_person_did_is_a_row_and_the_same_as_json(opsjobs: Opsjobs) -> None:
    submitted = opsjobs("addon", "-t", "fix", "--node", "n1", "-o", "name")
    job_id = submitted.out.strip()
    opsjobs("stop", job_id)
    shown = opsjobs("audit", "--job", job_id)
    assert shown.code == 0, shown.err
    header, *lines = shown.out.splitlines()
    assert header.split() == ["TIME", "USER", "ACTION", "JOB", "OUTCOME", "FROM"]
    assert [line.split()[2:] for line in lines] == [
        ["alice", "stop", job_id, "done", "127.0.0.1"],
        ["alice", "create", job_id, "done", "127.0.0.1"],
    ]
    found = json.loads(opsjobs("audit", "--job", job_id, "--action", "create", "-o", "json").out)
    assert [(one["action"], one["nodes"]) for one in found["items"]] == [("create", 1)]
    assert opsjobs("audit", "--job", job_id, "-o", "name").out.split() == [job_id]
    assert "must be one of" in opsjobs("audit", "--outcome", "maybe").err


def test_lines_of_many_calls_say_how_many_and_names_drive_no_terminal(opsjobs: Opsjobs, scripted: Scripted) -> None:
    many = item(userName=ODD, outcome="refused", status=403, count=4990)
    scripted.answers["/api/v1/audit"] = [content({"totalCount": 2, "items": [many]})]
    shown = opsjobs("audit", "-o", "wide", "--limit", "1")
    assert "refused (4990 times)" in shown.out
    assert len(shown.out.splitlines()) == 2
    assert "1 more" in shown.err
    for form in ("table", "wide", "json", "yaml"):
        assert "\x1b" not in opsjobs("audit", "-o", form, "--limit", "1").out

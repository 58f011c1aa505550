"""Bodies of notifications: what others wrote is text there and nothing more."""

import json
from typing import Any

import pytest

from service.domain.job import JobType, Phase
from service.domain.notification import Message, body, of_change
from service.domain.receiver import Format, Kind, Receiver
from tests.records_suite.example import NOON, a_job

HOSTILE = "<!channel> <https://evil.example|payroll> [here](https://evil.example) **@all** &amp; \x1b[2J\u202e\nsecond"


def message(**fields: Any) -> Message:
    plain: dict[str, Any] = {
        "kind": Kind.ENDED, "at": NOON, "sentence": "failed: n1 is gone", "cluster_id": "prod",
        "job_id": "again-abc123", "job_name": "again", "type": "reboot", "phase": "Failed", "workspace_id": "",
        "user_name": "alice", "nodes": ("n1",),
    }  # fmt: skip
    return Message(**plain | fields)


def hostile() -> Message:
    return message(sentence=HOSTILE, job_name=HOSTILE, user_name=HOSTILE, workspace_id=HOSTILE)


def sent(form: Format, one: Message, url: str = "https://ops.example.com") -> Any:
    return json.loads(body(one, form, url))


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for child in value.values() for text in texts(child)]
    if isinstance(value, list):
        return [text for child in value for text in texts(child)]
    return [value] if isinstance(value, str) else []


def test_plain_json_is_what_standard_webhooks_recommend() -> None:
    found = sent(Format.JSON, message())
    assert (found["type"], found["timestamp"]) == ("opsjob.ended", "2026-05-01T12:00:00.000Z")
    assert found["data"] == {
        "clusterId": "prod", "jobId": "again-abc123", "jobName": "again", "type": "reboot", "phase": "Failed",
        "workspaceId": "", "userName": "alice", "nodes": ["n1"], "message": "failed: n1 is gone",
        "link": "https://ops.example.com/console/jobs/again-abc123",
    }  # fmt: skip


def test_slack_reads_no_mention_and_no_link_of_others() -> None:
    found = sent(Format.SLACK, hostile())
    assert "<" not in found["text"]
    assert "&lt;!channel&gt;" in found["text"]
    marked = [text for text in texts(found["blocks"]) if "evil" in text]
    kinds = {element["type"] for block in found["blocks"] for element in block.get("elements", [block.get("text")])}
    assert marked
    assert kinds == {"plain_text", "mrkdwn"}
    (link,) = [block["text"] for block in found["blocks"] if block.get("text", {}).get("type") == "mrkdwn"]
    assert link["text"] == "<https://ops.example.com/console/jobs/again-abc123|again-abc123>"
    assert all(len(block["text"]["text"]) <= 150 for block in found["blocks"] if block["type"] == "header")


def test_teams_gets_text_runs_which_read_no_markdown() -> None:
    found = sent(Format.TEAMS, hostile())
    (attachment,) = found["attachments"]
    card = attachment["content"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
    assert [action["url"] for action in card["actions"]] == ["https://ops.example.com/console/jobs/again-abc123"]


@pytest.mark.parametrize("form", [Format.SLACK, Format.TEAMS])
def test_a_person_reads_one_line_without_what_cannot_be_seen(form: Format) -> None:
    for text in texts(sent(form, hostile())):
        assert not set(text) & {"\x1b", "\u202e", "\n"}


@pytest.mark.parametrize("form", list(Format))
def test_without_an_address_of_the_service_there_is_no_link(form: Format) -> None:
    assert not [text for text in texts(sent(form, message(), "")) if "ops.example.com" in text]


def test_receivers_are_told_what_they_want_and_nothing_else() -> None:
    running = a_job("again-abc123", type=JobType.REBOOT, phase=Phase.RUNNING, workspace_id="team")
    receivers = [
        Receiver(name="all"),
        Receiver(name="failures", events=frozenset({Kind.ENDED}), phases=frozenset({Phase.FAILED})),
        Receiver(name="successes", phases=frozenset({Phase.SUCCEEDED})),
        Receiver(name="addons", types=frozenset({JobType.ADDON})),
        Receiver(name="others", workspaces=frozenset({"other"})),
        Receiver(name="team", workspaces=frozenset({"team"}), types=frozenset({JobType.REBOOT})),
        Receiver(name="gates", events=frozenset({Kind.GATE})),
    ]
    ended = a_job("again-abc123", type=JobType.REBOOT, phase=Phase.FAILED, workspace_id="team")
    found = list(of_change(receivers, running, ended, NOON))
    assert [one.receiver for one in found] == ["all", "failures", "team"]
    assert {one.occasion for one in found} == {"ended"}

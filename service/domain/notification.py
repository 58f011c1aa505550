"""A notification as it waits in the store, and as each kind of receiver reads it."""

import json
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from service.domain.happenings import Happening, happened, headline
from service.domain.job import Job, rfc3339
from service.domain.receiver import Format, Kind, Receiver

#: Characters that no person reads and that make text look like another: controls, marks of direction, halves of pairs.
_UNREADABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What happened, with all that is told of the job."""

    kind: Kind
    at: datetime
    sentence: str
    cluster_id: str
    job_id: str
    job_name: str
    type: str
    phase: str
    workspace_id: str
    user_name: str
    nodes: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        return headline(self.job_name, self.type, self.phase, self.kind)


@dataclass(frozen=True, slots=True)
class Notification:
    """A message on its way to one receiver; the same occasion of a job is told once."""

    receiver: str
    occasion: str
    message: Message


def of_change(receivers: Sequence[Receiver], before: Job | None, after: Job, now: datetime) -> Iterator[Notification]:
    """Who is to be told what of a change of a job's record."""
    if receivers:
        for happening in happened(before, after):
            yield from to_receivers(receivers, happening, after, now)


def to_receivers(
    receivers: Sequence[Receiver], happening: Happening, job: Job, now: datetime
) -> Iterator[Notification]:
    message = Message(
        kind=happening.kind,
        at=now,
        sentence=happening.sentence,
        cluster_id=job.cluster_id,
        job_id=job.job_id,
        job_name=job.job_name,
        type=job.type.value,
        phase=job.phase.value,
        workspace_id=job.workspace_id,
        user_name=job.user_name,
        nodes=happening.nodes,
    )
    for receiver in receivers:
        if receiver.wants(happening.kind, job):
            yield Notification(receiver.name, happening.occasion, message)


def body(message: Message, form: Format, external_url: str) -> bytes:
    """As the receiver reads it; nothing that others wrote is more than text there."""
    link = f"{external_url.rstrip('/')}/console/jobs/{quote(message.job_id)}" if external_url else ""
    make: Callable[[Message, str], dict[str, Any]] = {Format.SLACK: _slack, Format.TEAMS: _teams, Format.JSON: _json}[
        form
    ]
    return json.dumps(make(message, link)).encode()


def _json(message: Message, link: str) -> dict[str, Any]:
    """The shape that Standard Webhooks recommend."""
    return {
        "type": f"opsjob.{message.kind.value}",
        "timestamp": rfc3339(message.at),
        "data": {
            "clusterId": message.cluster_id,
            "jobId": message.job_id,
            "jobName": message.job_name,
            "type": message.type,
            "phase": message.phase,
            "workspaceId": message.workspace_id,
            "userName": message.user_name,
            "nodes": list(message.nodes),
            "message": message.sentence,
            "link": link,
        },
    }


def _slack(message: Message, link: str) -> dict[str, Any]:
    """Blocks of plain text: in them neither `<!channel>` nor `<address|words>` means anything."""
    said, about = _readable(message.sentence), _about(message)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(_readable(message.headline)[:150])},
        {"type": "section", "text": _plain(said)},
        {"type": "context", "elements": [_plain(about)]},
    ]
    if link:
        open_it = {"type": "mrkdwn", "text": f"<{_slack_escaped(link)}|{_slack_escaped(message.job_id)}>"}
        blocks.append({"type": "section", "text": open_it})
    # Shown where blocks are not, and read as mrkdwn.
    return {"text": _slack_escaped(f"{_readable(message.headline)}: {said}"), "blocks": blocks}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _slack_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(message: Message, link: str) -> dict[str, Any]:
    """An Adaptive Card of text runs: unlike text blocks they read no Markdown."""

    def line(text: str, **how: Any) -> dict[str, Any]:
        return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **how}]}

    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            line(_readable(message.headline), weight="Bolder", size="Medium"),
            line(_readable(message.sentence)),
            line(_about(message), isSubtle=True, size="Small"),
        ],
    }
    if link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": message.job_id, "url": link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _about(message: Message) -> str:
    words = [message.job_id, f"by {message.user_name}", f"cluster {message.cluster_id}"]
    words += [f"workspace {message.workspace_id}"] if message.workspace_id else []
    return _readable(" · ".join(words))


def _readable(text: str) -> str:
    """For a person: one line, with a space for each character that could not be seen."""
    return "".join(" " if unicodedata.category(letter) in _UNREADABLE else letter for letter in text)

"""opsjobs events: what became of a job, one line each."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from opsjobs_cli import flags
from opsjobs_cli.event_reading import Event
from opsjobs_cli.following import Following, exit_code
from opsjobs_cli.neutral_text import neutral, neutral_json
from opsjobs_cli.printing import Format, Output, say
from opsjobs_cli.service_client import job_path
from opsjobs_cli.session import Session
from opsjobs_cli.unbroken_stream import UnbrokenStream

Job = dict[str, Any]
#: (when, what happened)
_Line = tuple[str, str]


def events(
    session: Session,
    job: flags.JobId,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come, and end as the job.")] = False,
) -> None:
    """Show what became of a job and of each node, the oldest first."""
    if follow:
        _follow(session, job)
    found = session.service.job(job)
    session.output.show(
        {"conditions": found["conditions"], "nodes": found["plan"]["nodes"]},
        name=lambda: (f"{text}" for _, text in _of_job(found)),
        table=lambda: _print(_of_job(found), set(), session.output),
    )


def _follow(session: Session, job_id: str) -> None:
    following = Following(session.service, job_id)
    stream = UnbrokenStream(session.service, job_path(job_id, "events"), {}, following.outage)
    seen: set[_Line] = set()
    with following.leaving():
        for batch in stream.batches():
            for event in batch:
                _show(event, seen, session.output)
        last = list(following.states())[-1]
    raise typer.Exit(exit_code(last))


def _show(event: Event, seen: set[_Line], output: Output) -> None:
    content = json.loads(event.data)
    if output.format is Format.JSON:
        whole = {"event": event.name, "id": event.id, "data": content}
        say(neutral_json(json.dumps(whole, ensure_ascii=False)))
        return
    match event.name:
        case "job":
            _print(_of_job(content), seen, output)
        case "condition":
            _print([_of_condition(content)], seen, output)
        case "node" if _is_touched(content):
            _print([_of_node(content)], seen, output)


def _print(lines: Iterator[_Line] | list[_Line], seen: set[_Line], output: Output) -> None:
    """What was shown before is not shown again: after a broken connection all of it comes once more."""
    for moment, text in lines:
        if (moment, text) not in seen:
            seen.add((moment, text))
            say(f"{output.time(moment)}  {neutral(text)}")


def _of_job(job: Job) -> Iterator[_Line]:
    touched = filter(_is_touched, job["plan"]["nodes"])
    yield from sorted([*map(_of_condition, job["conditions"]), *map(_of_node, touched)])


def _is_touched(node: Job) -> bool:
    """Whether there is more to say of it than that it is in the plan."""
    return bool(node["phase"] != "Pending" or node["message"])


def _of_condition(condition: Job) -> _Line:
    return condition["lastTransitionTime"], f"job {condition['type']} ({condition['reason']}): {condition['message']}"


def _of_node(node: Job) -> _Line:
    said = f": {node['message']}" if node["message"] else ""
    return node["end"] or node["start"], f"{node['name']} {node['phase']}{said}"

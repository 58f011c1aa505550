"""Reports as people read them: what each check found, what each script did, how each node came back."""

from collections.abc import Iterable, Mapping
from typing import Any

from opsjobs_cli import moments
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.printing import cell, console

#: A word of a report → how it looks.
_LOOKS = {
    "pass": ("✔", "green"),
    "succeeded": ("✔", "green"),
    "fail": ("✘", "bold red"),
    "failed": ("✘", "bold red"),
    "error": ("?", "magenta"),
    "skip": ("-", "yellow"),
    "skipped": ("-", "yellow"),
}
_GOOD = frozenset({"pass", "succeeded"})
#: Checks that have a column each; those of more stand in the lines below the table.
_COLUMNS = 12


def names(content: Any) -> list[str]:
    """The nodes that did not succeed."""
    entries = content["nodes"] if isinstance(content, Mapping) else content
    return [str(one.get("name", one.get("node"))) for one in entries if _result(one) not in _GOOD]


def show(kind: str, content: Any, *, only_failed: bool) -> None:
    match kind:
        case "preflight":
            _preflight(content, only_failed=only_failed)
        case "addon":
            _addon(_chosen(content, only_failed=only_failed))
        case _:
            _reboot(_chosen(content, only_failed=only_failed))


def _preflight(content: Mapping[str, Any], *, only_failed: bool) -> None:
    """A matrix of marks, then each finding in its own words."""
    nodes = _chosen(content["nodes"], only_failed=only_failed)
    checks = list(dict.fromkeys(check["name"] for node in nodes for check in node["checks"]))[:_COLUMNS]
    lines = ([node["name"], node["status"], *_marks(node, checks), _took(node["seconds"])] for node in nodes)
    _matrix(("NODE", "RESULT", *checks, "TOOK"), lines)
    totals = content["totals"]
    console().print(cell("  ".join(f"{totals[word]} {word}" for word in ("pass", "fail", "error", "skip"))))
    for node in nodes:
        _findings(node)


def _marks(node: Mapping[str, Any], checks: Iterable[str]) -> Iterable[str]:
    by_name = {check["name"]: check["status"] for check in node["checks"]}
    return (by_name.get(name, "") for name in checks)


def _findings(node: Mapping[str, Any]) -> None:
    bad = [check for check in node["checks"] if check["status"] not in _GOOD]
    if node["status"] in _GOOD and not bad:
        return
    console().print(cell(f"\n{neutral(node['name'])}: {neutral(node['reason'])}"[:1000]), style="bold", soft_wrap=True)
    for check in bad:
        value = "" if check["value"] is None else f" {check['value']}{check['unit']}"
        advice = f" → {check['suggestedAction']}" if check["suggestedAction"] else ""
        console().print(cell(f"  {check['name']}: {check['status']}{value} {check['reason']}{advice}"))
    for line in str(node["lastLines"]).splitlines()[-5:]:
        console().print(cell(f"  | {line}"))


def _addon(nodes: Iterable[Mapping[str, Any]]) -> None:
    lines = [
        (node["node"], template.get("name", ""), template.get("result", ""), _last_line(template))
        for node in nodes
        for template in node["templates"] or [{"result": node["result"], "lastLines": node["message"]}]
    ]
    _matrix(("NODE", "TEMPLATE", "RESULT", "LAST LINE"), lines)


def _last_line(template: Mapping[str, Any]) -> str:
    said = str(template.get("lastLines") or template.get("message") or "").strip().splitlines()
    return said[-1] if said else ""


def _reboot(nodes: Iterable[Mapping[str, Any]]) -> None:
    lines = (
        (node["node"], node["result"], _took(node["secondsDown"]), _took(node["secondsToReady"]),
         len(node["evicted"]), node["message"])
        for node in nodes
    )  # fmt: skip
    _matrix(("NODE", "RESULT", "DOWN", "TO READY", "EVICTED", "MESSAGE"), lines)


def _matrix(columns: Iterable[str], lines: Iterable[Iterable[object]]) -> None:
    """As `rows`, with a mark for each word that has one."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(Text(neutral(column)), overflow="fold")
    for line in lines:
        table.add_row(*(_marked(value) for value in line))
    console().print(table)


def _marked(value: object) -> Any:
    from rich.text import Text

    if value in _LOOKS:
        mark, style = _LOOKS[str(value)]
        return Text(f"{mark} {value}", style=style)
    return cell(value)


def _chosen(nodes: Iterable[Mapping[str, Any]], *, only_failed: bool) -> list[Mapping[str, Any]]:
    return [node for node in nodes if not only_failed or _result(node) not in _GOOD]


def _result(node: Mapping[str, Any]) -> str:
    return str(node.get("status", node.get("result", "")))


def _took(seconds: object) -> str:
    return moments.spoken(seconds) if isinstance(seconds, int | float) else ""

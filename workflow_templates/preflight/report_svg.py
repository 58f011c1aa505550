"""The report as a picture (SVG): a row per node, a column per check. Self-contained: no script, no font, no link."""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from workflow_templates.preflight.check_results import Node, Status
from workflow_templates.preflight.check_text import clean

#: Told apart by people who do not see red and green apart, and by the sign in each cell.
_COLOURS: dict[str, str] = {"pass": "#2e8b57", "fail": "#c0392b", "error": "#e0a030", "skip": "#b0b7bd"}
_SIGNS: dict[str, str] = {"pass": "✓", "fail": "✗", "error": "?", "skip": "·"}
_WORDS: dict[str, str] = {"pass": "healthy", "fail": "unhealthy", "error": "could not be tested", "skip": "left out"}
_CELL, _HEAD, _NAME = 22, 140, 230
_NAME_CHARACTERS, _CHECK_CHARACTERS = 30, 20


def matrix(job: str, nodes: Sequence[Node]) -> str:
    columns = ["node", *dict.fromkeys(check.name for node in nodes for check in node.checks)]
    width = max(_NAME + _CELL * len(columns) + 100, 620)
    height = _HEAD + _CELL * len(nodes) + 20
    body = "\n".join([*_legend(job, nodes), *_columns(columns), *_rows(columns, nodes)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _legend(job: str, nodes: Sequence[Node]) -> Iterator[str]:
    yield f'<text x="10" y="20" font-size="15">{_shown(job, 60)}</text>'
    for index, status in enumerate(_COLOURS):
        count = sum(node.status == status for node in nodes)
        x = 10 + 150 * index
        yield f'<rect x="{x}" y="30" width="14" height="14" fill="{_COLOURS[status]}"/>'
        yield f'<text x="{x + 20}" y="42">{count} {_WORDS[status]}</text>'


def _columns(columns: Sequence[str]) -> Iterator[str]:
    for index, name in enumerate(columns):
        x, y = _NAME + _CELL * index + 14, _HEAD - 6
        yield f'<text x="{x}" y="{y}" transform="rotate(-45 {x} {y})">{_shown(name, _CHECK_CHARACTERS)}</text>'


def _rows(columns: Sequence[str], nodes: Sequence[Node]) -> Iterator[str]:
    for row, node in enumerate(nodes):
        y = _HEAD + _CELL * row
        yield f'<text x="10" y="{y + 15}">{_shown(node.name, _NAME_CHARACTERS)}</text>'
        found: dict[str, tuple[Status, str]] = {check.name: (check.status, check.reason) for check in node.checks}
        found["node"] = (node.status, node.reason)
        for column, name in enumerate(columns):
            if name in found:
                yield _cell(_NAME + _CELL * column, y, f"{node.name}, {name}", *found[name])


def _cell(x: int, y: int, what: str, status: Status, reason: str) -> str:
    title = f"{what}: {_WORDS[status]}" + (f", {reason}" if reason else "")
    return (
        f'<g><title>{escape(clean(title))}</title><rect x="{x}" y="{y}" width="{_CELL - 2}" height="{_CELL - 2}" '
        f'fill="{_COLOURS[status]}"/><text x="{x + 6}" y="{y + 15}" fill="#ffffff">{_SIGNS[status]}</text></g>'
    )


def _shown(text: str, characters: int) -> str:
    return escape(clean(text if len(text) <= characters else f"{text[: characters - 1]}…"))

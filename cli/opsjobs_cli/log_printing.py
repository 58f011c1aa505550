"""Lines that steps wrote, on their way to a terminal, a file or a program."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from opsjobs_cli.event_reading import Event
from opsjobs_cli.neutral_text import neutral, neutral_json
from opsjobs_cli.printing import Format, Output, note


@dataclass(frozen=True)
class LogPrinter:
    """`raw`: as it was written, also what drives a terminal. `with_node`: each line begins with its node."""

    output: Output
    raw: bool
    with_node: bool

    def show(self, events: Iterable[Event]) -> None:
        """Write them, and have them seen at once."""
        for event in events:
            if event.name == "line":
                sys.stdout.write(f"{self._line(event)}\n")
            elif event.name == "gap":
                self._gap(event)
        sys.stdout.flush()

    def _line(self, event: Event) -> str:
        line = json.loads(event.data)
        if self.output.format is Format.JSON:
            return neutral_json(json.dumps(line, ensure_ascii=False))
        text = line["text"] if self.raw else neutral(line["text"])
        return f"{self._head(line)}{text}"

    def _head(self, line: dict[str, Any]) -> str:
        # A step of the whole job is on no node; without a word of its own its lines could begin with another's.
        node = neutral(line["node"]) or "-"
        if self.output.is_wide:
            step = f"{neutral(line['step'])}#{line['attempt']}"
            return f"{self.output.time(line['time'])} {node} {step}: "
        return f"{node}: " if self.with_node else ""

    def _gap(self, event: Event) -> None:
        gap = json.loads(event.data)
        if self.output.format is Format.JSON:
            sys.stdout.write(f"{neutral_json(json.dumps({'gap': gap}, ensure_ascii=False))}\n")
            return
        # Where it belongs between the lines, and not one of them.
        sys.stdout.flush()
        note(f"--- {' '.join(self._said_of(gap))} ---")

    def _said_of(self, gap: dict[str, Any]) -> Iterator[str]:
        if gap["node"]:
            yield f"{neutral(gap['node'])}:"
        yield "lines are missing"
        if gap["since"]:
            yield f"from {self.output.time(gap['since'])}"
        if gap["until"]:
            yield f"to {self.output.time(gap['until'])}"
        yield f"({neutral(gap['reason'])})"

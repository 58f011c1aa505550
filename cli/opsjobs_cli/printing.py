"""What a command prints: tables for people, JSON and YAML for programs, names for scripts."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from opsjobs_cli import moments
from opsjobs_cli.neutral_text import neutral, neutral_json

if TYPE_CHECKING:
    from rich.console import Console

#: Columns where there is no terminal: nothing is folded or cut for a program or a file.
_ANY_WIDTH = 100_000

PHASE_STYLES = {"Succeeded": "green", "Failed": "red", "Running": "cyan", "Skipped": "yellow"}


class Format(StrEnum):
    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True)
class Output:
    """How a person, or a program, wants it."""

    format: Format = Format.TABLE
    utc: bool = False

    @property
    def is_for_people(self) -> bool:
        return self.format in (Format.TABLE, Format.WIDE)

    @property
    def is_wide(self) -> bool:
        return self.format is Format.WIDE

    def time(self, text: str) -> str:
        return moments.shown(text, utc=self.utc)

    def show(self, content: Any, *, name: Callable[[], Iterable[str]], table: Callable[[], None]) -> None:
        """Print what the API answered; `name` and `table` are its other shapes."""
        match self.format:
            case Format.JSON:
                say(neutral_json(json.dumps(content, indent=2, ensure_ascii=False)))
            case Format.YAML:
                import yaml

                # Its own escapes: nothing but ASCII, so nothing that drives a terminal.
                say(yaml.safe_dump(content, sort_keys=False).rstrip())
            case Format.NAME:
                for line in name():
                    say(neutral(line))
            case _:
                table()


def say(text: str) -> None:
    """A line on standard output, as it is: whoever calls has made it neutral."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """A line for the person, on standard error: what a program reads stays as it is."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def console(*, error: bool = False) -> "Console":
    """Where tables go. Nothing is read as markup, and colours need a terminal (and no NO_COLOR)."""
    from rich.console import Console

    made = Console(stderr=error, markup=False, emoji=False, highlight=False, soft_wrap=False)
    if not made.is_terminal:
        made.width = _ANY_WIDTH
    return made


def rows(columns: Sequence[str], lines: Iterable[Sequence[object]], *, styled: str = "PHASE") -> None:
    """A table of text of others; the column `styled` holds phases, or other words that have a colour."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        # The first is what one copies: it is folded only where the screen has no room for it alone.
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    at = columns.index(styled) if styled in columns else -1
    for line in lines:
        table.add_row(*(cell(value, phase=index == at) for index, value in enumerate(line)))
    console().print(table)


def cell(value: object, *, phase: bool = False) -> Any:
    from rich.text import Text

    words = neutral(value)
    return Text(words, style=PHASE_STYLES.get(words, "") if phase else "")

"""Where a bearer token comes from. It is read each time it is asked for: files and programs renew what has ended."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from opsjobs_cli.complaints import UsageError
from opsjobs_cli.neutral_text import neutral

#: Seconds that a program may take; it may open a browser and wait for a person.
_PATIENCE = 300


def from_file(path: str) -> Callable[[], str]:
    def read() -> str:
        try:
            text = Path(path).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise UsageError(f"no token can be read from {path}: {error}") from error
        return checked(text, path)

    return read


def from_command(command: Sequence[str]) -> Callable[[], str]:
    """A program that prints a token, or an ExecCredential as programs for kubectl do."""

    def run() -> str:
        try:
            done = subprocess.run(  # noqa: S603  # of the person's own context; no shell reads it
                command, capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(f"no token from {command[0]}: {error}") from error
        if done.returncode:
            raise UsageError(f"no token from {command[0]}: it ended with {done.returncode}: {neutral(done.stderr)}")
        return checked(_of_credential(done.stdout.strip()), command[0])

    return run


def _of_credential(text: str) -> str:
    if not text.startswith("{"):
        return text
    try:
        return str(json.loads(text)["status"]["token"])
    except (ValueError, KeyError, TypeError):
        return ""


def checked(token: str, source: str) -> str:
    """The token, if it can be one: whatever else a file holds must not go over the wire."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"{source} has no token: one word of printable characters is needed")
    return token

"""A request's body, from what a person wrote: flags, files, and the environment for what is secret."""

import base64
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from opsjobs_cli.complaints import UsageError
from opsjobs_cli.neutral_text import neutral

Body = dict[str, Any]

#: Flag → the name of the input.
_SELECTORS = {
    "template": "addon.template",
    "node_template": "node.template",
    "node": "node",
    "selector": "node.selector",
    "workspace": "workspace",
    "workload": "workload",
    "cluster": "cluster",
}
_ENV_LINE = re.compile(r"(?:export\s+)?([^=\s]+)=(.*)")


def body(kind: str, name: str | None, given: Mapping[str, Any], fields: Mapping[str, Any]) -> Body:
    """The body of a job of that type: `given` are its selectors by flag, `fields` those of the API; None: not given."""
    inputs = [
        {"name": input_name, "value": value}
        for flag, input_name in _SELECTORS.items()
        for value in given.get(flag) or ()
    ]
    # Not 0, which is a value; a switch that was not set says nothing.
    said = {field: value for field, value in fields.items() if value not in (None, [], {}) and value is not False}
    return {"name": name or _name(kind, inputs), "type": kind, "inputs": inputs, **said}


def _name(kind: str, inputs: list[dict[str, str]]) -> str:
    """For a person who gave none: what it does, and to what, like "reboot gpu-node-001"."""
    words = [item["value"] for item in inputs if item["name"] == inputs[0]["name"]]
    longest = 60
    more = f" and {len(words) - 1} more" if len(words) > 1 else ""
    return f"{kind} {words[0][:longest]}{more}" if words else kind


def script(path: str) -> str:
    """The entryPoint of a script in a file (-: standard input).

    Raises:
        UsageError: it cannot be read, or is no text.
    """
    content = sys.stdin.buffer.read() if path == "-" else _read(path)
    try:
        content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"the script {path} is no UTF-8 text") from error
    if not content.strip():
        raise UsageError(f"the script {path} is empty")
    return base64.b64encode(content).decode()


def environment(names: Iterable[str], files: Iterable[str], here: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The env of a check: values from files, then from this environment. None is ever an argument, which all may read.

    Raises:
        UsageError: a variable is not set here, or a line of a file is none.
    """
    found: dict[str, str] = {}
    for path in files:
        found.update(_lines(path))
    for name in names:
        if "=" in name:
            only = name.partition("=")[0]
            raise UsageError(
                f"--env takes a name only, its value from the environment: every user of this machine can read what a "
                f"command was started with. Write {neutral(only)}=… opsjobs … --env {neutral(only)}, or use --env-file"
            )
        if name not in here:
            raise UsageError(f"--env {neutral(name)}: this variable is not set here")
        found[name] = here[name]
    return found


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """NAME=value, one a line; the value is everything after the first =, as it is. Empty lines and # are left out."""
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _ENV_LINE.fullmatch(line.strip())
        if not match:
            # Not the line itself: it may be a secret's second.
            raise UsageError(f"{path}, line {number}: must be NAME=value")
        yield match[1], match[2]


def documents(path: str) -> list[Body]:
    """The jobs of a file: JSON or YAML, one or several (a list, or YAML documents); -: standard input.

    Raises:
        UsageError: it is neither, or no job.
    """
    text = sys.stdin.read() if path == "-" else _text(path)
    found: list[Any] = []
    for document in _parsed(text, path):
        found += document if isinstance(document, list) else [document]
    if not found:
        raise UsageError(f"{path} holds no job")
    for number, job in enumerate(found, 1):
        if not isinstance(job, dict):
            raise UsageError(f"{path}: job {number} is no object with the fields of the API")
    return found


def _parsed(text: str, path: str) -> list[Any]:
    try:
        return [json.loads(text)]
    except ValueError as error:
        if path.endswith(".json"):
            raise UsageError(f"{path} is no JSON: {error}") from error
    import yaml

    try:
        found = [document for document in yaml.safe_load_all(text) if document is not None]
        # YAML knows dates and sets, which the API does not.
        return [json.loads(json.dumps(document, default=str)) for document in found]
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise UsageError(f"{path} is neither JSON nor YAML: {neutral(error)}") from error


def _text(path: str) -> str:
    try:
        return _read(path).decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no UTF-8 text") from error


def _read(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error

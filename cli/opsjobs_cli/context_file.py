"""Contexts: services that a person uses, by name, in a file that only that person reads."""

import json
import os
import stat
from pathlib import Path
from typing import Any

from opsjobs_cli.complaints import UsageError

#: A file that others may read holds no secret.
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
Context = dict[str, Any]


def path() -> Path:
    """OPSJOBS_CONFIG, or the place that the desktop's standard has for it."""
    if chosen := os.environ.get("OPSJOBS_CONFIG"):
        return Path(chosen)
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "opsjobs" / "contexts.json"


class ContextFile:
    """The file as it was read; `write` replaces it."""

    def __init__(self) -> None:
        self.path = path()
        content = self._content()
        self.current: str = content.get("current", "")
        self.contexts: dict[str, Context] = content.get("contexts", {})

    def context(self, name: str) -> Context:
        """One context by its name.

        Raises:
            UsageError: there is none.
        """
        if name not in self.contexts:
            known = ", ".join(sorted(self.contexts)) or "none yet"
            raise UsageError(
                f"there is no context {name!r} in {self.path} (there is: {known}); see opsjobs context set"
            )
        return self.contexts[name]

    def write(self) -> None:
        """Put it in place as a whole, readable by its owner alone from the first moment."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"current": self.current, "contexts": self.contexts}, file, indent=2)
            file.write("\n")
        new.replace(self.path)

    def _content(self) -> Any:
        try:
            mode = self.path.stat().st_mode
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UsageError(f"{self.path} cannot be read: {error.strerror}") from error
        if os.name == "posix" and mode & _OTHERS and '"token"' in text:
            raise UsageError(f"{self.path} holds a token and others may read it: chmod 600 {self.path}")
        try:
            return json.loads(text)
        except ValueError as error:
            raise UsageError(f"{self.path} is no JSON: {error}") from error

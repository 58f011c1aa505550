"""httpx, imported when the first request is about to be sent: --help and completion do without it."""

import functools
import sys
from types import ModuleType
from typing import Any, cast


@functools.cache
def httpx() -> Any:
    """The library, without the command line that it brings along: that imports half a second of things."""
    command_line = "httpx._main"
    # What stands there as None cannot be imported; httpx goes on without it, as where its extras are not installed.
    sys.modules.setdefault(command_line, cast("ModuleType", None))
    import httpx as library

    if sys.modules[command_line] is None:
        del sys.modules[command_line]
    return library

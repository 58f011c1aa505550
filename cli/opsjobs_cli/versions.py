"""Which command line this is."""

import functools
from importlib.metadata import PackageNotFoundError, version

AGENT = "opsjobs-cli"


@functools.cache
def own() -> str:
    try:
        return version("opsjobs-cli")
    except PackageNotFoundError:
        return "0 (not installed)"

"""Which command line this is."""

import functools

AGENT = "opsjobs-cli"


@functools.cache
def own() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("opsjobs-cli")
    except PackageNotFoundError:
        return "0 (not installed)"

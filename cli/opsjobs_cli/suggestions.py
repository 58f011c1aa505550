"""What a shell offers on Tab: names of jobs, nodes and templates; nothing where the service does not answer at once."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from opsjobs_cli.neutral_text import neutral

#: Suggestions that a shell can show.
_LIMIT = "200"
_NOTHING: Mapping[str, str] = {}


def jobs(incomplete: str) -> list[str]:
    return _offered(incomplete, "/api/v1/opsjobs", "jobId")


def nodes(incomplete: str) -> list[str]:
    return _offered(incomplete, "/api/v1/nodes", "name", {"name": incomplete} if incomplete else {})


def addon_templates(incomplete: str) -> list[str]:
    return _offered(incomplete, "/api/v1/addontemplates", "name")


def node_templates(incomplete: str) -> list[str]:
    return _offered(incomplete, "/api/v1/nodetemplates", "name")


def contexts(incomplete: str) -> list[str]:
    from opsjobs_cli.context_file import ContextFile

    return _quietly(lambda: (name for name in sorted(ContextFile().contexts) if name.startswith(incomplete)))


def _offered(incomplete: str, path: str, field: str, further: Mapping[str, str] = _NOTHING) -> list[str]:
    def ask() -> Iterator[str]:
        from opsjobs_cli.service_client import Service
        from opsjobs_cli.whereto import Asked, direct

        with Service(direct(Asked()), note=lambda _text: None) as service:
            items: list[dict[str, Any]] = service.get(path, {"limit": _LIMIT, **further}, tries=1).json()["items"]
        for item in items:
            # A name that would have to be changed to be shown is not the name any more.
            if (name := str(item[field])).startswith(incomplete) and name == neutral(name):
                yield name

    return _quietly(ask)


def _quietly(ask: Callable[[], Any]) -> list[str]:
    try:
        return list(ask())
    except Exception:  # noqa: BLE001  # whatever it is: a message would land in the middle of a half-written line
        return []

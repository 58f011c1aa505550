"""Requests that another site has a browser send (contract: Who may do what)."""

from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request

from service.api.problems import Problem

_READING = ("GET", "HEAD", "OPTIONS")
_PORTS = {"http": 80, "https": 443}


async def own_site(request: Request) -> None:
    """Let no other site's page change anything here with what its visitor's browser can reach.

    Clients that are no browsers send neither header. A proxy before the service keeps the Host header.

    Raises:
        Problem: 403.
    """
    if request.method in _READING:
        return
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise _foreign("Sec-Fetch-Site says that another site's page sends this request")
    origin = request.headers.get("Origin")
    if origin is not None and not _is_own(origin, request.headers.get("Host", "")):
        raise _foreign("its Origin is not this service's own address")


def _foreign(why: str) -> Problem:
    message = f"a browser may change something here only from this service's own pages: {why}"
    return Problem(HTTPStatus.FORBIDDEN, message, code="FOREIGN_ORIGIN")


def _is_own(origin: str, host: str) -> bool:
    """Whether an Origin is the address that the request was sent to; its scheme is left to who ends TLS."""
    try:
        named, sent_to = urlsplit(origin), urlsplit(f"//{host}")
        port = _PORTS.get(named.scheme)
        places = [(place.hostname, place.port or port) for place in (named, sent_to)]
    except ValueError:
        return False
    return port is not None and places[0] == places[1]

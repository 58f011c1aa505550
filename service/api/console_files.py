"""The console at /console: static pages that need no token; all that they show is asked of the API with one."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from service.api.etags import known_already

_FOLDER = Path(__file__).parents[2] / "console"
_MEDIA_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: The address of each page of the console; which one it is, the script reads from the address itself.
_PAGES = ("", "/", "/fleet", "/jobs", "/jobs/{name}", "/nodes/{name}", "/new", "/new/{name}")
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    # No text becomes markup or script in any way that a browser knows, and no policy can be made that would let it.
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Asked for again with its tag each time: after an upgrade no page mixes files of two versions for longer than that.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}

router = APIRouter(prefix="/console", include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    packed: bytes
    media_type: str
    tag: str


@cache
def _files() -> dict[str, _File]:
    """By name, read once: what a request asks for is looked up among these, and never becomes a path."""
    found = [path for path in sorted(_FOLDER.rglob("*")) if path.suffix in _MEDIA_TYPES]
    return {path.name: _read(path) for path in found}


def _read(path: Path) -> _File:
    content = path.read_bytes()
    tag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    return _File(content, gzip.compress(content, mtime=0), _MEDIA_TYPES[path.suffix], tag)


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    """A script, a style sheet or a picture of the console."""
    file = _files().get(name)
    if file is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return _response(request, file)


async def page(request: Request) -> Response:
    """The one document of the console."""
    return _response(request, _files()["index.html"])


for _path in _PAGES:
    router.add_api_route(_path, page, methods=["GET"])


def _response(request: Request, file: _File) -> Response:
    headers = {**_HEADERS, "ETag": file.tag}
    if known_already(request, file.tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return Response(file.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media_type)
    return Response(file.content, headers=headers, media_type=file.media_type)

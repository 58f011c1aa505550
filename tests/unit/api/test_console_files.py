"""The console's files over HTTP: what may be loaded, and what a browser is told about it."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from service.api import app as http
from tests.unit.api.test_app import is_problem, nothing

CONSOLE = Path(__file__).parents[3] / "console"
SCRIPTS = sorted(path.name for path in (CONSOLE / "static").glob("*.js"))
PAGES = ["", "/", "/fleet", "/jobs", "/jobs/driver-abc123", "/nodes/gpu-1.example.com", "/new", "/new/addon"]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(http.build(nothing), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as found:
        yield found


@pytest.mark.parametrize("page", PAGES)
async def test_every_page_is_one_document_that_needs_no_token(client: httpx.AsyncClient, page: str) -> None:
    answer = await client.get(f"/console{page}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.content == (CONSOLE / "index.html").read_bytes()


async def test_a_browser_is_told_to_trust_nothing_but_these_files(client: httpx.AsyncClient) -> None:
    for path in ("/console", "/console/static/main.js", "/console/static/console.css", "/console/static/icon.svg"):
        headers = (await client.get(path)).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert (
            policy["default-src"]
            == policy["base-uri"]
            == policy["form-action"]
            == policy["frame-ancestors"]
            == "'none'"
        )
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["img-src"] == "'self'"
        assert (policy["require-trusted-types-for"], policy["trusted-types"]) == ("'script'", "'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in headers


async def test_scripts_and_styles_are_of_their_types(client: httpx.AsyncClient) -> None:
    types = {
        "main.js": "text/javascript; charset=utf-8",
        "console.css": "text/css; charset=utf-8",
        "icon.svg": "image/svg+xml",
    }
    for name, media_type in types.items():
        assert (await client.get(f"/console/static/{name}")).headers["content-type"] == media_type


async def test_what_a_browser_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/console/static/main.js")
    again = await client.get("/console/static/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert first.headers["content-encoding"] == "gzip"
    plain = await client.get("/console/static/main.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == first.content == (CONSOLE / "static" / "main.js").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/console/static/index.js",
        "/console/static/",
        "/console/static/%2e%2e/index.html",
        "/console/static/..%2f..%2fpyproject.toml",
        "/console/static/%2e%2e%2f%2e%2e%2fservice/main.py",
        "/console/static/..%5c..%5cpyproject.toml",
        "/console/static//etc/passwd",
        "/console/static/%2fetc%2fpasswd",
        "/console/static/main.js%00.css",
        "/console/static/main.js/",
        "/console/static/__pycache__",
        "/console/..%2fpyproject.toml",
        "/console/index.html",
        "/console/jobs/a/b",
    ],
)
async def test_no_path_leads_out_of_the_console(client: httpx.AsyncClient, path: str) -> None:
    """What is asked for is looked up among the console's own files: no text of a request becomes a path."""
    assert is_problem(await client.get(path), 404)


async def test_the_files_only_are_read(client: httpx.AsyncClient) -> None:
    assert is_problem(await client.post("/console/static/main.js"), 405)
    assert is_problem(await client.put("/console"), 405)


@pytest.mark.parametrize("path", ["/console", "/console/", "/console/jobs", "/console/static/main.js"])
async def test_where_it_is_turned_off_there_is_none(path: str) -> None:
    transport = httpx.ASGITransport(http.build(nothing, console=False), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert is_problem(await client.get(path), 404)


def test_it_is_small() -> None:
    """At most about 2,000 lines of our own, and 100 kB of script as it is sent (issue 21)."""
    texts = {name: (CONSOLE / "static" / name).read_text(encoding="utf-8") for name in SCRIPTS}
    assert {name: text.count("\n") for name, text in texts.items() if text.count("\n") > 250} == {}
    assert sum(text.count("\n") for text in texts.values()) < 2_400
    assert sum(len(gzip.compress(text.encode())) for text in texts.values()) < 100_000


def test_no_script_makes_markup_of_text() -> None:
    """The browser refuses it, too (require-trusted-types-for); here it is found before it runs."""
    forbidden = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "srcdoc",
        "DOMParser",
    )
    texts = {
        path.name: path.read_text(encoding="utf-8") for path in CONSOLE.rglob("*") if path.suffix in (".js", ".html")
    }
    assert {name: word for name, text in texts.items() for word in forbidden if word in text} == {}
    assert "style=" not in texts["index.html"]
    assert "http" not in texts["index.html"].replace("httponly", "")
    storage = ("localStorage", "sessionStorage", "indexedDB", "document.cookie")
    assert {name: word for name, text in texts.items() for word in storage if word in text} == {}

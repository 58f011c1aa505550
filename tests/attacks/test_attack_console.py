"""Another site frames what the service sends, or a browser takes text of others in it for a page."""

import httpx
import pytest

from tests.unit.api.world import JOBS, World

ASKED = [
    ("GET", "/console/static/none.js", 404),
    ("GET", "/console/%3Cscript%3Ealert(1)%3C%2Fscript%3E", 404),
    ("POST", "/console", 405),
    ("GET", "/console/static/main.js", 200),
    ("GET", f"{JOBS}/%3Cscript%3E", 404),
    ("POST", JOBS, 400),
    ("GET", "/healthz", 200),
]


@pytest.mark.parametrize(("method", "path", "status"), ASKED)
async def test_no_response_can_be_framed_or_becomes_a_page(method: str, path: str, status: int) -> None:
    transport = httpx.ASGITransport(World().app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.request(method, path, headers={"Authorization": "Bearer anna"})
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    policy = answer.headers["content-security-policy"]
    assert ("default-src 'none'" in policy, "frame-ancestors 'none'" in policy) == (True, True)

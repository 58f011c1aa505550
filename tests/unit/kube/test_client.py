"""What the service makes of an apiserver's answers, and of one that gives none."""

import socket

import pytest
from aiohttp import web

from service.jobs.ports import RefusedByClusterError, UnavailableError
from service.kube.client import ApiError, ConflictError, Object, is_label_value
from tests.unit.kube.conftest import Served, api_at
from workflow_templates.protocol.api_path import BadNameError


def refusing(status: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "message": message, "code": status}, status=status)


async def test_an_object_that_is_not_there_is_none(served: Served) -> None:
    async with served(lambda _: _later(refusing(404, "not found"))) as api:
        assert await api.get("/api/v1/nodes/gone") is None
        assert await api.patch("/api/v1/nodes/gone", {}) is None
        assert not await api.delete("/api/v1/nodes/gone")


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "ServiceAccount still there"), (403, "compare its roles"), (429, "try again later"), (500, "etcd is away")],
)
async def test_a_refusal_says_what_was_asked_what_came_back_and_what_to_do(
    served: Served, status: int, advice: str
) -> None:
    async with served(lambda _: _later(refusing(status, "etcd is away"))) as api:
        with pytest.raises(ApiError, match=advice) as caught:
            await api.get("/api/v1/nodes")
    assert str(caught.value).startswith(f"Kubernetes answers {status} to GET /api/v1/nodes: etcd is away")
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("status", "for_good"),
    [(400, True), (401, False), (403, True), (409, False), (410, False), (422, True), (429, False), (500, False)],
)
async def test_what_would_be_refused_again_is_told_from_what_may_be_tried_again(
    served: Served, status: int, *, for_good: bool
) -> None:
    async with served(lambda _: _later(refusing(status, "exceeded quota"))) as api:
        with pytest.raises(UnavailableError, match="exceeded quota") as caught:
            await api.create("/api/v1/nodes", {})
    assert isinstance(caught.value, RefusedByClusterError) is for_good


async def test_an_apiserver_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused
        api = api_at(f"http://127.0.0.1:{taken.getsockname()[1]}")
        try:
            with pytest.raises(UnavailableError, match="cannot be reached"):
                await api.get("/version")
        finally:
            await api.close()


async def test_an_answer_that_is_cut_off_is_unavailable(served: Served) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return response

    async with served(cut) as api:
        with pytest.raises(UnavailableError, match="cannot be reached"):
            await api.get("/api/v1/nodes/a")


async def test_what_a_proxy_says_in_html_becomes_a_sentence(served: Served) -> None:
    async with served(lambda _: _later(web.Response(status=502, text="<h1>Bad gateway</h1>"))) as api:
        with pytest.raises(UnavailableError, match="502 to GET /version: <h1>Bad gateway"):
            await api.get("/version")


@pytest.mark.parametrize("text", ["", "<h1>Welcome</h1>", "[]", "null", '"ok"', '{"half":'])
async def test_an_answer_that_is_no_object_is_unavailable(served: Served, text: str) -> None:
    async with served(lambda _: _later(web.Response(text=text))) as api:
        with pytest.raises(UnavailableError, match="Kubernetes answers GET /version with what is no"):
            await api.get("/version")


async def test_a_list_is_read_page_by_page(served: Served) -> None:
    async def paged(request: web.Request) -> web.StreamResponse:
        assert request.query["limit"] == "500"
        first = "continue" not in request.query
        names = ["a", "b"] if first else ["c"]
        metadata = {"resourceVersion": "7", "continue": "more" if first else ""}
        return web.json_response({"metadata": metadata, "items": [{"metadata": {"name": name}} for name in names]})

    async with served(paged) as api:
        assert [item["metadata"]["name"] async for item in api.list("/api/v1/nodes")] == ["a", "b", "c"]


async def test_a_list_that_says_null_for_nothing_is_empty(served: Served) -> None:
    empty = {"kind": "PartialObjectMetadataList", "metadata": {"resourceVersion": "7"}, "items": None}
    async with served(lambda _: _later(web.json_response(empty))) as api:
        assert [item async for item in api.list("/api/v1/nodes", metadata=True)] == []


async def test_a_path_that_could_mean_something_else_is_never_asked_for(served: Served) -> None:
    async with served(lambda _: _later(web.json_response({}))) as api:
        with pytest.raises(BadNameError):
            await api.get("/api/v1/nodes/../../../version")


class Contested:
    """An object that somebody else changes `rivals` times just before our patch arrives."""

    def __init__(self, rivals: int) -> None:
        self.version = 1
        self.rivals = rivals
        self.value = "old"

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.method == "PATCH":
            patch = await request.json()
            if self.rivals:
                self.rivals -= 1
                self.version += 1
            if patch["metadata"]["resourceVersion"] != str(self.version):
                return refusing(409, "the object has been modified")
            self.value = patch["spec"]["value"]
        return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "spec": {"value": self.value}})


def renamed(_: Object) -> Object:
    return {"spec": {"value": "new"}}


async def test_a_change_that_was_overtaken_is_decided_again(served: Served) -> None:
    contested = Contested(rivals=3)
    async with served(contested) as api:
        await api.change("/api/v1/nodes/a", renamed)
    assert contested.value == "new"


async def test_a_change_that_is_always_overtaken_is_given_up(served: Served) -> None:
    contested = Contested(rivals=1_000)
    async with served(contested) as api:
        with pytest.raises(ConflictError, match="has been modified"):
            await api.change("/api/v1/nodes/a", renamed)
    assert contested.value == "old"


@pytest.mark.parametrize(("value", "fits"), [("team_A.1", True), ("a,b", False), ("a=b", False), ("x" * 64, False)])
def test_values_that_never_reach_a_selector(value: str, *, fits: bool) -> None:
    assert is_label_value(value) is fits


async def _later(response: web.Response) -> web.StreamResponse:
    return response

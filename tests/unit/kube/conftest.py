import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp import web
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from service.kube.client import Api

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Served = Callable[[Answer], AbstractAsyncContextManager[Api]]


def api_at(url: str) -> Api:
    return Api(ApiClient(Configuration(host=url)))


@contextlib.asynccontextmanager
async def serve(answer: Answer) -> AsyncIterator[Api]:
    """A client whose apiserver is one function of the test: for answers that a healthy apiserver gives too rarely."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    api = api_at(f"http://{host}:{port}")
    try:
        yield api
    finally:
        await api.close()
        await runner.cleanup()


@pytest.fixture
def served() -> Served:
    return serve

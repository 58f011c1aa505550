"""The end of connections that a test had, before the loop that they live in ends."""

import asyncio
from typing import Any

from tests.e2e.live import PATIENCE


async def closed_transports() -> None:
    """Wait until no transport that is closing holds a socket of the running loop.

    A TLS connection that is given up in its handshake is closed a few turns of the loop later. A loop that ends before
    leaves it to the garbage collector, and pytest takes that for a fault of whatever test runs then.
    """
    loop: Any = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE):
        while [one for one in list(loop._transports.values()) if one.is_closing() and one._sock is not None]:  # noqa: ASYNC110 - asyncio has no event for it
            await asyncio.sleep(0.01)

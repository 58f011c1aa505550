"""uvicorn, which waits for open responses before it stops: those that would last are ended first."""

import sys
from socket import socket
from typing import Any

import uvicorn
from fastapi import FastAPI

#: The exit code of a server that could not begin, as uvicorn.run has it.
_NOT_STARTED = 3


class Server(uvicorn.Server):
    """Ends every stream when the process is asked to stop."""

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        app: Any = self.config.app
        app.state.dependencies.streams.end_all()
        await super().shutdown(sockets)


def serve(app: FastAPI, **settings: Any) -> None:
    """Serve until SIGTERM, as uvicorn.run does with these settings."""
    server = Server(uvicorn.Config(app, **settings))
    server.run()
    if not server.started:
        sys.exit(_NOT_STARTED)

"""What the service is measured beside: the same uvicorn and loop, and one route that returns bytes which are ready.

`python -m tests.bench.bare_route PORT FOLDER`: the route /NAME returns the file of that name; of an empty one, 304.
"""

import sys
from http import HTTPStatus
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response


def bare(folder: Path) -> FastAPI:
    ready = {file.name: file.read_bytes() for file in folder.iterdir()}
    app = FastAPI(openapi_url=None)

    @app.get("/{name}")
    async def route(name: str) -> Response:
        status = HTTPStatus.OK if ready[name] else HTTPStatus.NOT_MODIFIED
        return Response(ready[name], status, media_type="application/json")

    return app


def main() -> None:
    port, folder = sys.argv[1:]
    uvicorn.run(
        bare(Path(folder)),
        host="127.0.0.1",
        port=int(port),
        ws="none",
        server_header=False,
        log_config=None,
        access_log=False,
    )


if __name__ == "__main__":
    main()

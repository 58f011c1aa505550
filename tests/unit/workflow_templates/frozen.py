"""A cluster that is frozen, as its steps see it."""

import threading
import time
from collections.abc import Callable

from tests.unit.workflow_templates.apiserver import NAMESPACE, ApiServer
from workflow_templates.protocol.freeze import NAME, Freeze

PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{NAME}"
SENTENCE = "the cluster is frozen by anna: storage"


def freeze(server: ApiServer) -> None:
    server.put(PATH, {"data": Freeze("anna", "storage", "2026-01-01T00:00:00.000Z").data})


def looks(server: ApiServer) -> int:
    """How often it was asked whether the cluster is frozen."""
    return server.seen.count(("GET", PATH))


def once_it_waits(server: ApiServer, do: Callable[[], None]) -> threading.Thread:
    """Do this when the step has looked several times."""

    def wait() -> None:
        while looks(server) < 4:
            time.sleep(0.005)
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread

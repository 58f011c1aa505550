"""The apiserver itself, asked with a token alone: what somebody can do who holds it and nothing else."""

import json
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.kubeconfig import apiserver
from tests.e2e.live import Cluster


class Apiserver:
    """The real apiserver's answers to one account. Writes are dry runs: admission is asked, nothing is kept."""

    def __init__(self, cluster: Cluster, account: str, namespace: str) -> None:
        token = cluster.kubectl("create", "token", account, "-n", namespace, "--duration=1h").strip()
        self._client = apiserver(Path(cluster.facts["kubeconfig"]), token)

    def create(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return self._client.post(path, params={"dryRun": "All"}, json=body)

    def patch(self, path: str, patch: dict[str, Any]) -> httpx.Response:
        headers = {"Content-Type": "application/merge-patch+json"}
        return self._client.patch(path, params={"dryRun": "All"}, content=json.dumps(patch), headers=headers)

    def enter(self, path: str) -> httpx.Response:
        """`exec` or `attach`, of which there is no dry run: only for a pod that does not run."""
        return self._client.post(path, params={"command": "true", "stdout": "true"})

    def get(self, path: str) -> httpx.Response:
        return self._client.get(path)

    def close(self) -> None:
        self._client.close()


def refusal(answer: httpx.Response) -> str:
    """Why it was refused, by admission or for want of a right."""
    assert answer.status_code in (403, 422), answer.text
    return str(answer.json()["message"])

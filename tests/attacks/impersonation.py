"""The apiserver as anybody sees it who got hold of somebody's token: rights and admission are asked as for that user.

A token itself need not be taken: the administrator of the cluster may impersonate, and a ServiceAccount's token says of
a pod only what stands in the extra fields of its user (authentication.kubernetes.io/pod-name, …/node-name).
"""

import json
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.kubeconfig import apiserver
from tests.e2e.live import Cluster

EXTRA = "Impersonate-Extra-authentication.kubernetes.io%2F"
PATCH = {"Content-Type": "application/merge-patch+json"}


class Thief:
    """Writes are dry runs: rights and admission are asked, nothing is kept. One connection serves all users."""

    def __init__(self, cluster: Cluster) -> None:
        self._client = apiserver(Path(cluster.facts["kubeconfig"]))

    def with_token_of(self, account: str, namespace: str, pod: str = "", node: str = "") -> "User":
        """The user of a ServiceAccount's token; `pod` and `node`: made for a pod of that name on that node."""
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
        headers = [("Impersonate-User", f"system:serviceaccount:{namespace}:{account}")]
        headers += [("Impersonate-Group", group) for group in groups]
        headers += [(f"{EXTRA}{name}", value) for name, value in (("pod-name", pod), ("node-name", node)) if value]
        return User(self._client, headers)

    def as_user(self, name: str, *groups: str) -> "User":
        return User(self._client, [("Impersonate-User", name), *(("Impersonate-Group", group) for group in groups)])

    def as_administrator(self) -> "User":
        """A member of system:masters."""
        return User(self._client, [])

    def close(self) -> None:
        self._client.close()


class User:
    def __init__(self, client: httpx.Client, headers: list[tuple[str, str]]) -> None:
        self._client = client
        self._headers = headers

    def create(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return self._client.post(path, params={"dryRun": "All"}, json=body, headers=self._headers)

    def patch(self, path: str, patch: dict[str, Any]) -> httpx.Response:
        headers = [*self._headers, *PATCH.items()]
        return self._client.patch(path, params={"dryRun": "All"}, content=json.dumps(patch), headers=headers)

    def delete(self, path: str) -> httpx.Response:
        return self._client.delete(path, params={"dryRun": "All"}, headers=self._headers)

    def enter(self, path: str) -> httpx.Response:
        """`exec` and the like, of which there is no dry run: only for a pod that does not run."""
        return self._client.post(path, params={"command": "true", "stdout": "true"}, headers=self._headers)


def refused(answer: httpx.Response, why: str) -> bool:
    """Whether admission refused it, for this reason."""
    assert answer.status_code in (403, 422), f"got through: {answer.text[:500]}"
    message = str(answer.json()["message"])
    assert "ValidatingAdmissionPolicy" in message, f"refused, but not by admission: {message}"
    assert why in message, message
    return True


def admitted(answer: httpx.Response) -> bool:
    assert answer.status_code in (200, 201), answer.text
    return True

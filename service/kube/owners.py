"""Who owns an object, up the chain of ownerReferences, whatever kinds the cluster has."""

from typing import Any

import structlog

from service.kube.client import METADATA, Api, ApiError, Object

log = structlog.get_logger()

#: Longer chains than any controller makes; a cycle ends here.
_STEPS = 8


class Owners:
    """Walks ownerReferences within one search; every object on the way is read once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._plurals: dict[str, dict[str, str]] = {}  # apiVersion → kind → plural
        self._owners_of: dict[str, list[Object]] = {}  # uid → its ownerReferences
        self._refused: set[str] = set()

    async def is_owned_by(self, metadata: Object, name: str) -> bool:
        """Whether an owner of that name stands anywhere above the object."""
        namespace = metadata["namespace"]
        owners = _controllers(metadata)
        for _ in range(_STEPS):
            if not owners:
                return False
            if any(owner["name"] == name for owner in owners):
                return True
            owners = [above for owner in owners for above in await self._above(owner, namespace)]
        return False

    async def _above(self, owner: Object, namespace: str) -> list[Object]:
        uid = owner["uid"]
        if uid not in self._owners_of:
            self._owners_of[uid] = await self._read_owners(owner, namespace)
        return self._owners_of[uid]

    async def _read_owners(self, owner: Object, namespace: str) -> list[Object]:
        """Owners of an owner; none where the service may not look: the chain ends there, and the log says so once."""
        api_version, kind = owner["apiVersion"], owner["kind"]
        if f"{api_version}/{kind}" in self._refused:
            return []
        plural = (await self._kinds(api_version)).get(kind)
        if plural is None:
            return []  # cluster-scoped or gone: no workload stands above it
        try:
            path = f"{_root(api_version)}/namespaces/{namespace}/{plural}/{owner['name']}"
            item = await self._api.get(path, accept=METADATA)
        except ApiError as error:
            if error.status != 403:  # noqa: PLR2004 - forbidden
                raise
            self._refused.add(f"{api_version}/{kind}")
            log.warning(
                "workloads above this kind cannot be found: the service may not read it",
                kind=kind,
                api_version=api_version,
                remedy=f"allow get on {plural} in the chart value rbac.workloadRules",
            )
            return []
        return _controllers(item["metadata"]) if item else []

    async def _kinds(self, api_version: str) -> dict[str, str]:
        if api_version not in self._plurals:
            found = await self._api.get(_root(api_version)) or {}
            self._plurals[api_version] = _namespaced_kinds(found.get("resources", []))
        return self._plurals[api_version]


def _namespaced_kinds(resources: list[dict[str, Any]]) -> dict[str, str]:
    return {item["kind"]: item["name"] for item in resources if item["namespaced"] and "/" not in item["name"]}


def _controllers(metadata: Object) -> list[Object]:
    """All owners but the node, which owns mirror pods."""
    return [owner for owner in metadata.get("ownerReferences", []) if owner["kind"] != "Node"]


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"

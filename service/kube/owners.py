"""Who owns an object, up the chain of ownerReferences, whatever kinds the cluster has.

A user who may make a pod writes its ownerReferences, and Kubernetes hardly checks them. So nothing of them is believed:
a path is built from checked names only, what cannot be read ends its own chain and no other, and all is bounded.
"""

from collections import Counter
from typing import Any

import structlog

from service.jobs.ports import UnavailableError
from service.kube.client import METADATA, Api, ApiError, Object
from workflow_templates.protocol.api_path import BadNameError, api_path, api_root

log = structlog.get_logger()

#: Longer chains than any controller makes; a cycle ends here.
_STEPS = 8
#: Owners of one object that are looked at. Controllers set one.
_OWNERS = 8
#: Objects that are looked at above one pod, and that are read above all pods of a namespace, in one search.
_ABOVE_A_POD = 32
_ABOVE_A_NAMESPACE = 2_000
#: Owners of pods in a namespace that may not be there, or be of no kind that is: only an invented one is not, or one
#: that went before its pods did. Each takes up to two requests, for a search of a caller who may look everywhere.
_MISSES = 100
#: Reads that may fail in a namespace before no more are tried there: each may take as long as a time-out.
_FAILURES = 10

#: namespace, apiVersion, kind, name
_Key = tuple[str, str, str, str]


class Owners:
    """Walks ownerReferences within one search; every object on the way is read once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._plurals: dict[str, dict[str, str]] = {}  # apiVersion → kind → plural
        self._owners_of: dict[_Key, list[_Key]] = {}
        self._reads: Counter[str] = Counter()  # by namespace, as are failures
        self._failures: Counter[str] = Counter()
        self._misses: Counter[str] = Counter()
        self._warned: set[tuple[str, ...]] = set()

    async def above(self, metadata: Object, wanted: frozenset[str]) -> frozenset[str]:
        """Those of the wanted names that an owner bears, anywhere above the object.

        What cannot be read has no owner, and the log says why.
        """
        found = set[str]()
        seen = set[_Key]()
        owners = _owners(metadata, metadata["namespace"])
        for _ in range(_STEPS):
            owners = [owner for owner in dict.fromkeys(owners) if owner not in seen][: _ABOVE_A_POD - len(seen)]
            seen.update(owners)
            found |= wanted & {name for _, _, _, name in owners}
            if not owners or found == wanted:
                break
            owners = [higher for owner in owners for higher in await self._above(owner)]
        return frozenset(found)

    async def _above(self, owner: _Key) -> list[_Key]:
        if owner not in self._owners_of:
            self._owners_of[owner] = await self._read_owners(owner)
        return self._owners_of[owner]

    async def _read_owners(self, owner: _Key) -> list[_Key]:
        """Owners of an owner; none where it cannot be read: only the chain through this one object ends there."""
        namespace = owner[0]
        if self._is_given_up(namespace):
            self._warn("owners of pods are too many, or too many of them cannot be read", {"namespace": namespace})
            return []
        self._reads[namespace] += 1
        try:
            item = await self._read(owner)
        except BadNameError as error:
            self._warn("an owner of a pod cannot exist", {"namespace": namespace}, reason=str(error))
        except UnavailableError as error:
            self._failed(owner, error)
        else:
            if item:
                return _owners(item["metadata"], namespace)
            self._misses[namespace] += 1
        return []

    def _is_given_up(self, namespace: str) -> bool:
        return (
            self._reads[namespace] >= _ABOVE_A_NAMESPACE
            or self._failures[namespace] >= _FAILURES
            or self._misses[namespace] >= _MISSES
        )

    async def _read(self, owner: _Key) -> Object | None:
        namespace, api_version, kind, name = owner
        plural = (await self._kinds(api_version)).get(kind)
        if plural is None:
            return None  # cluster-scoped or gone: no workload stands above it
        return await self._api.get(api_path(api_version, plural, namespace=namespace, name=name), accept=METADATA)

    async def _kinds(self, api_version: str) -> dict[str, str]:
        if api_version not in self._plurals:
            found = await self._api.get(api_root(api_version)) or {}
            self._plurals[api_version] = _namespaced_kinds(found.get("resources") or [])
        return self._plurals[api_version]

    def _failed(self, owner: _Key, error: UnavailableError) -> None:
        namespace, api_version, kind, _ = owner
        if isinstance(error, ApiError) and error.status == 403:  # noqa: PLR2004 - forbidden
            plural = self._plurals.get(api_version, {}).get(kind, kind)
            self._warn(
                "workloads above this kind cannot be found: the service may not read it",
                {"kind": kind, "api_version": api_version},
                remedy=f"allow get on {plural} in the chart value rbac.workloadRules",
            )
        else:  # an extension's own apiserver that is away, for one
            self._failures[namespace] += 1
            self._warn("an owner of a pod cannot be read", {"namespace": namespace, "kind": kind}, reason=str(error))

    def _warn(self, event: str, about: dict[str, str], **more: str) -> None:
        """Once in a search: there may be as many as there are pods."""
        if (key := (event, *about.values())) not in self._warned:
            self._warned.add(key)
            log.warning(event, **about, **more)


def _namespaced_kinds(resources: list[dict[str, Any]]) -> dict[str, str]:
    return {item["kind"]: item["name"] for item in resources if item["namespaced"] and "/" not in item["name"]}


def _owners(metadata: Object, namespace: str) -> list[_Key]:
    """The first few owners but the node, which owns mirror pods."""
    listed = [owner for owner in metadata.get("ownerReferences") or () if owner["kind"] != "Node"]
    return [(namespace, owner["apiVersion"], owner["kind"], owner["name"]) for owner in listed[:_OWNERS]]

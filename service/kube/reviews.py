"""Who a caller is and what they may do, as Kubernetes knows it."""

import asyncio
import hashlib
import itertools
from collections.abc import Iterable
from typing import Any

from service.domain.cluster_objects import Caller
from service.jobs.ports import UnavailableError
from service.kube.cache import BriefCache
from service.kube.client import Api, KubeSettings, Object
from service.kube.granted_rights import GrantedRights, Question
from service.kube.known_tokens import KnownTokens
from workflow_templates.protocol.api_path import api_path, is_object_name

_TOKEN_REVIEWS = api_path("authentication.k8s.io/v1", "tokenreviews")
_ACCESS_REVIEWS = api_path("authorization.k8s.io/v1", "subjectaccessreviews")

#: How old an answer may be: as long as a withdrawn right or token goes on working.
SECONDS = 8.0
_TOKENS = 2_000
_RIGHTS = 20_000
_NODES = 500
#: Reviews under way at one time of tokens that were accepted before, and of strangers': few of the client's
#: connections, so that some are left for everything else that is asked of Kubernetes.
_KNOWN_AT_ONCE = 16
_STRANGERS_AT_ONCE = 8
#: Strangers' tokens that may wait for one of these to end.
_STRANGERS_WAITING = 512
#: Callers of whom it is remembered which tokens were accepted, and how many of each: no caller makes others strangers.
_KNOWN_CALLERS = 2_000
_KNOWN_TOKENS_EACH = 8
#: Questions under way at one time about the nodes of one request.
_AT_ONCE = 16


class KubeReviews:
    """TokenReview and SubjectAccessReview. A token is kept only as its hash, and never logged."""

    def __init__(self, api: Api, settings: KubeSettings, seconds: float = SECONDS) -> None:
        self._api = api
        self._audience = settings.audience
        self._callers: BriefCache[Caller] = BriefCache(seconds, _TOKENS)
        # Apart from them: a client that sends one invented token after another makes no caller unknown.
        self._asked: BriefCache[Caller | None] = BriefCache(seconds, _TOKENS)
        self._asked_again: BriefCache[Caller | None] = BriefCache(seconds, _TOKENS)
        self._known = KnownTokens(_KNOWN_CALLERS, _KNOWN_TOKENS_EACH)
        self._asking_known = asyncio.Semaphore(_KNOWN_AT_ONCE)
        self._asking_strangers = asyncio.Semaphore(_STRANGERS_AT_ONCE)
        self._strangers = 0
        self._rights: BriefCache[bool] = BriefCache(seconds, _RIGHTS)
        self._grants = GrantedRights(self._ask_on_jobs, seconds)
        self._nodes: BriefCache[frozenset[str]] = BriefCache(seconds, _NODES)

    async def caller(self, token: str) -> Caller | None:
        """Who the token speaks for; None: Kubernetes does not accept it, or not for our audience.

        Raises:
            UnavailableError: so many tokens are asked about that this one has to wait its turn elsewhere.
        """
        return await self._known_or_asked(token, self._audience)

    async def scraper(self, token: str) -> Caller | None:
        """As service.jobs.ports.Reviews says. The token is one for the API server's own audience."""
        found = await self._known_or_asked(token, None)
        attributes = {"path": "/metrics", "verb": "get"}
        return found if found and await self._may(found, attributes, "nonResourceAttributes") else None

    async def _known_or_asked(self, token: str, audience: str | None) -> Caller | None:
        if not token:
            return None  # the apiserver calls the question itself invalid
        # A token that is accepted for one audience is a stranger's for the other.
        key = hashlib.sha256(f"{audience or ''} {token}".encode()).digest()
        if found := await self._callers.known(key):
            return found
        asked = self._asked if key not in self._known else self._asked_again
        return await asked.get(key, lambda: self._ask_in_turn(key, token, audience))

    async def _ask_in_turn(self, key: bytes, token: str, audience: str | None) -> Caller | None:
        """Tokens that were accepted before do not wait behind unknown ones, of which any client can send any number."""
        if key in self._known:
            async with self._asking_known:
                found = await self._ask_who(token, audience)
        else:
            found = await self._ask_stranger(token, audience)
        if found:
            self._callers.keep(key, found)
            self._known.add(found.user_id, key)
        else:
            self._known.drop(key)
        return found

    async def _ask_stranger(self, token: str, audience: str | None) -> Caller | None:
        """No caller is known yet whose limit it could be, so all share one."""
        if self._strangers >= _STRANGERS_WAITING:
            raise UnavailableError("Kubernetes is asked about too many tokens at once")
        self._strangers += 1
        try:
            async with self._asking_strangers:
                return await self._ask_who(token, audience)
        finally:
            self._strangers -= 1

    async def may(self, caller: Caller, verb: str, job_type: str, namespace: str | None) -> bool:
        """Contract: `verb` on opsjobs.opsjob.io/<job type> in the namespace; None: cluster-wide."""
        return await self._may(caller, _on_jobs(verb, job_type, namespace))

    async def granted(
        self, caller: Caller, verb: str, job_types: Iterable[str], namespaces: Iterable[str]
    ) -> frozenset[tuple[str, str | None]]:
        """As service.jobs.ports.Reviews says."""
        return await self._grants.of(Question(_identity(caller), caller, verb, tuple(job_types), tuple(namespaces)))

    async def _ask_on_jobs(self, caller: Caller, verb: str, job_type: str, namespace: str | None) -> bool:
        return await self._ask_may(caller, _on_jobs(verb, job_type, namespace))

    async def may_get(self, caller: Caller, namespace: str, resource: str) -> bool:
        """Contract: the caller's own right to get `pods` or `pods/log` there."""
        name, _, subresource = resource.partition("/")
        attributes = {"verb": "get", "resource": name, "subresource": subresource, "namespace": namespace}
        return await self._may(caller, {key: value for key, value in attributes.items() if value})

    async def may_freeze(self, caller: Caller) -> bool:
        """As service.jobs.ports.Reviews says."""
        return await self._may(caller, {"verb": "update", "group": "opsjob.io", "resource": "freeze"})

    async def may_list_audit(self, caller: Caller) -> bool:
        """As service.jobs.ports.Reviews says."""
        return await self._may(caller, {"verb": "list", "group": "opsjob.io", "resource": "audit"})

    async def may_get_templates(self, caller: Caller) -> bool:
        """As service.jobs.ports.Reviews says. A right to one of them by name is not asked for."""
        return await self._may(caller, {"verb": "get", "group": "opsjob.io", "resource": "addontemplates"})

    async def readable_nodes(self, caller: Caller, nodes: Iterable[str]) -> frozenset[str]:
        """As service.jobs.ports.Reviews says: by a right to all nodes, or else by one to the node of that name."""
        names = tuple(nodes)
        return await self._nodes.get((_identity(caller), names), lambda: self._ask_nodes(caller, names))

    async def _ask_nodes(self, caller: Caller, names: tuple[str, ...]) -> frozenset[str]:
        of_all = {"verb": "get", "resource": "nodes", "subresource": "log"}
        if not names or await self._ask_may(caller, of_all):
            return frozenset(names)
        busy = asyncio.Semaphore(_AT_ONCE)

        async def readable(name: str) -> bool:
            async with busy:
                return await self._ask_may(caller, {**of_all, "name": name})

        answers = await asyncio.gather(*map(readable, names))
        return frozenset(itertools.compress(names, answers))

    async def _ask_who(self, token: str, audience: str | None) -> Caller | None:
        spec = {"token": token, **({"audiences": [audience]} if audience else {})}
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        return caller_of((await self._api.create(_TOKEN_REVIEWS, review)).get("status", {}), audience)

    async def _may(self, caller: Caller, attributes: dict[str, str], kind: str = "resourceAttributes") -> bool:
        key = (_identity(caller), tuple(sorted(attributes.items())))
        return await self._rights.get(key, lambda: self._ask_may(caller, attributes, kind))

    async def _ask_may(self, caller: Caller, attributes: dict[str, str], kind: str = "resourceAttributes") -> bool:
        if not is_object_name(attributes.get("namespace", "any")):
            return False
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": caller.user_name,
                "uid": caller.user_id,
                "groups": list(caller.groups),
                "extra": {key: list(values) for key, values in caller.extra.items()},
                kind: attributes,
            },
        }
        status = (await self._api.create(_ACCESS_REVIEWS, review)).get("status", {})
        return bool(status.get("allowed")) and not status.get("denied")


def _on_jobs(verb: str, job_type: str, namespace: str | None) -> dict[str, str]:
    where = {} if namespace is None else {"namespace": namespace}
    return {"verb": verb, "group": "opsjob.io", "resource": "opsjobs", "subresource": job_type, **where}


def caller_of(status: Object, audience: str | None) -> Caller | None:
    """The caller in a TokenReview's status; without an audience that was asked for, of any token of the cluster.

    An answer without our audience is of an authenticator that did not look at it: any token of the cluster would do.
    Users from certificates or OIDC have no uid: their name is their id.
    """
    if not status.get("authenticated") or (audience and audience not in status.get("audiences", [])):
        return None
    user: dict[str, Any] = status["user"]
    return Caller(
        user_id=user.get("uid") or user["username"],
        user_name=user["username"],
        groups=tuple(user.get("groups") or ()),
        extra={key: tuple(values) for key, values in (user.get("extra") or {}).items()},
    )


def _identity(caller: Caller) -> tuple[object, ...]:
    return caller.user_id, caller.user_name, caller.groups, tuple(sorted(caller.extra.items()))

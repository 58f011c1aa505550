"""Who somebody is and what they may do, as Kubernetes says."""

import hashlib
from typing import Any

from service.domain.cluster import Caller
from service.kube.cache import BriefCache
from service.kube.client import Api, KubeSettings, Object, is_object_name

_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

#: How old an answer may be: as long as a withdrawn right or token goes on working.
SECONDS = 8.0
_TOKENS = 2_000
_RIGHTS = 20_000


class KubeReviews:
    """TokenReview and SubjectAccessReview. A token is kept only as its hash, and never logged."""

    def __init__(self, api: Api, settings: KubeSettings, seconds: float = SECONDS) -> None:
        self._api = api
        self._audience = settings.audience
        self._callers: BriefCache[Caller | None] = BriefCache(seconds, _TOKENS)
        self._rights: BriefCache[bool] = BriefCache(seconds, _RIGHTS)

    async def caller(self, token: str) -> Caller | None:
        """Who the token speaks for; None: Kubernetes does not accept it, or not for our audience."""
        if not token:
            return None  # the apiserver calls the question itself invalid
        key = hashlib.sha256(token.encode()).digest()
        return await self._callers.get(key, lambda: self._ask_who(token))

    async def may(self, caller: Caller, verb: str, job_type: str, namespace: str | None) -> bool:
        """Contract: `verb` on opsjobs.opsjob.io/<job type> in the namespace; None: cluster-wide."""
        return await self._may(
            caller, namespace, verb=verb, group="opsjob.io", resource="opsjobs", subresource=job_type
        )

    async def may_get(self, caller: Caller, namespace: str, resource: str) -> bool:
        """Contract: the caller's own right to get `pods` or `pods/log` there."""
        name, _, subresource = resource.partition("/")
        return await self._may(caller, namespace, verb="get", group="", resource=name, subresource=subresource)

    async def _ask_who(self, token: str) -> Caller | None:
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [self._audience]},
        }
        return caller_of((await self._api.create(_TOKEN_REVIEWS, review)).get("status", {}), self._audience)

    async def _may(self, caller: Caller, namespace: str | None, **attributes: str) -> bool:
        if namespace is not None and not is_object_name(namespace):
            return False
        asked = {key: value for key, value in {**attributes, "namespace": namespace or ""}.items() if value}
        key = (_identity(caller), tuple(sorted(asked.items())))
        return await self._rights.get(key, lambda: self._ask_may(caller, asked))

    async def _ask_may(self, caller: Caller, attributes: dict[str, str]) -> bool:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": caller.user_name,
                "uid": caller.user_id,
                "groups": list(caller.groups),
                "extra": {key: list(values) for key, values in caller.extra.items()},
                "resourceAttributes": attributes,
            },
        }
        status = (await self._api.create(_ACCESS_REVIEWS, review)).get("status", {})
        return bool(status.get("allowed")) and not status.get("denied")


def caller_of(status: Object, audience: str) -> Caller | None:
    """The caller in a TokenReview's status.

    An answer without our audience is of an authenticator that did not look at it: any token of the cluster would do.
    Users from certificates or OIDC have no uid: their name is their id.
    """
    if not status.get("authenticated") or audience not in status.get("audiences", []):
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

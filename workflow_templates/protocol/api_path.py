"""Paths of the Kubernetes API, built only from names that Kubernetes itself could have given.

Names of objects come from requests and from other objects, and a pod's author chooses what its ownerReferences and
imagePullSecrets say. A slash or a dot too many in one of them would make a request with our token another request.
"""

import re

#: Names of objects and of API groups. A name of dots alone, which a path could climb by, is none.
_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
#: Versions, plurals, subresources and namespaces.
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
#: What any path of ours looks like, however it was built.
_PATH = re.compile(r"(/[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?)+")


class BadNameError(ValueError):
    """Kubernetes has no object, group or version of that name."""


def api_path(
    api_version: str,
    plural: str,
    *,
    namespace: str | None = None,
    name: str | None = None,
    subresource: str | None = None,
) -> str:
    """The path of an object, or without `name` of its collection; without `namespace` cluster-wide.

    Raises:
        BadNameError: one of them is no such name; an empty text is none either.
    """
    parts = [api_root(api_version)]
    if namespace is not None:
        parts += ["namespaces", _checked(_LABEL, "namespace", namespace)]
    parts.append(_checked(_LABEL, "resource", plural))
    if name is not None:
        parts.append(_checked(_NAME, "name", name))
    if subresource is not None:
        parts.append(_checked(_LABEL, "subresource", subresource))
    return "/".join(parts)


def api_root(api_version: str) -> str:
    """The path of a group and version (`apps/v1`, or `v1` for the core group), which lists their resources.

    Raises:
        BadNameError: it is no apiVersion.
    """
    group, slash, version = api_version.rpartition("/")
    if not slash:
        return f"/api/{_checked(_LABEL, 'version', version)}"
    return f"/apis/{_checked(_NAME, 'group', group)}/{_checked(_LABEL, 'version', version)}"


def object_path(collection: str, name: str, subresource: str | None = None) -> str:
    """The path of one object of a collection whose path is known.

    Raises:
        BadNameError: `name` or `subresource` is none.
    """
    parts = [collection, _checked(_NAME, "name", name)]
    if subresource is not None:
        parts.append(_checked(_LABEL, "subresource", subresource))
    return "/".join(parts)


def is_object_name(text: str) -> bool:
    """Whether Kubernetes could have an object of that name."""
    return _NAME.fullmatch(text) is not None


def plain(path: str) -> str:
    """The path as it is, if it can mean only what it says: no empty part, no `..`, nothing escaped, no query.

    Raises:
        BadNameError: it could mean something else.
    """
    return _checked(_PATH, "path", path)


def _checked(grammar: re.Pattern[str], what: str, text: str) -> str:
    if not isinstance(text, str) or not grammar.fullmatch(text):
        raise BadNameError(f"{str(text)[:100]!r} is no {what} in the Kubernetes API")
    return text

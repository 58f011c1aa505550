"""Image references: what a pod ran, and what that is called in the team's own registry (contract: exportimage)."""

import re
from dataclasses import dataclass

#: What a reference without a registry means, and what its names without a folder lie in.
DEFAULT_REGISTRY = "docker.io"
DEFAULT_FOLDER = "library"

#: So many of a source's path parts are kept in the target's name.
_KEPT_PARTS = 2
#: Registries take no longer path (github.com/distribution/reference).
_LONGEST_PATH = 255

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
#: An image's own id, which some runtimes give in the place of its name and digest, with or without the algorithm.
_ID = re.compile(r"(sha256:)?[0-9a-f]{64}")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_HOST = re.compile(r"([\w-]+(\.[\w-]+)*|\[[0-9A-Fa-f:.]+\])(:\d+)?", re.ASCII)
_PART = re.compile(r"[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*", re.IGNORECASE | re.ASCII)
#: What runtimes put before the name in a pod's imageID (`docker-pullable://`).
_SCHEME = re.compile(r"^[a-z-]+://")


class NoReferenceError(ValueError):
    """Not the name of an image in a registry; the message says why, for a person."""


class BareIdError(NoReferenceError):
    """An image's own id, which says nothing of where it came from."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image by its full name. `registry` with its port, where it has one; `path` without the registry."""

    registry: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        return f"{self.registry}/{self.path}"

    def __str__(self) -> str:
        tag, digest = f":{self.tag}" if self.tag else "", f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def parse(text: str) -> Reference:
    """Read a reference the way every container runtime does (the grammar of github.com/distribution/reference).

    Upper case in the path is taken, too: it is not allowed there, but what is made of it is in lower case anyway.

    Raises:
        NoReferenceError: it names no image.
    """
    if _DIGEST.fullmatch(text):
        raise NoReferenceError(f"{text!r} is an image's id, no name")
    name, at, digest = text.partition("@")
    if digest.startswith("sha512:"):
        raise NoReferenceError(f"{text!r} has a digest by SHA-512, which cannot be copied: only SHA-256 can")
    if at and not _DIGEST.fullmatch(digest):
        raise NoReferenceError(f"{text!r} has no sha256 digest behind its @")
    folders, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise NoReferenceError(f"{text!r} has no tag behind its colon")
    registry, path = _split(f"{folders}{slash}{last}")
    if not _HOST.fullmatch(registry) or not all(_PART.fullmatch(part) for part in path.split("/")):
        raise NoReferenceError(f"{text!r} is not the name of an image")
    return Reference(registry, path, tag, digest)


def ran(image_id: str) -> Reference:
    """What a pod really ran, from the imageID in its status: a name in a registry with a digest.

    Raises:
        BareIdError: the node reports only the image's id.
        NoReferenceError: the image has no such name.
    """
    bare = _SCHEME.sub("", image_id)
    if _ID.fullmatch(bare):
        raise BareIdError("came from no registry: it was loaded into its node by hand")
    reference = parse(bare)
    if not reference.digest:
        raise NoReferenceError(f"has no digest: the node calls it {image_id!r}")
    return Reference(reference.registry, reference.path, digest=reference.digest)


def exported_path(project: str, image: Reference) -> str:
    """Where an image goes in the team's registry: the project, then its last two path parts in lower case.

    Raises:
        NoReferenceError: no registry would take that path.
    """
    parts = image.path.lower().split("/")[-_KEPT_PARTS:]
    if len(parts) < _KEPT_PARTS:
        parts.insert(0, DEFAULT_FOLDER)
    path = "/".join([project, *parts])
    if len(path) > _LONGEST_PATH:
        raise NoReferenceError(f"{path!r} would be longer than the {_LONGEST_PATH} characters that registries take")
    return path


def _split(name: str) -> tuple[str, str]:
    """The registry and the path: a first part is a registry if it could not be a folder of Docker Hub."""
    first, slash, rest = name.partition("/")
    if not slash or not (set(".:") & set(first) or first == "localhost" or first.lower() != first):
        first, rest = DEFAULT_REGISTRY, name
    if first == f"index.{DEFAULT_REGISTRY}":
        first = DEFAULT_REGISTRY
    if first == DEFAULT_REGISTRY and "/" not in rest:
        rest = f"{DEFAULT_FOLDER}/{rest}"
    return first, rest

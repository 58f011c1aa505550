"""Who we are to a registry: entries of Docker configurations, matched to images the way the kubelet does."""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

Entry = dict[str, str]

#: How a Secret of type kubernetes.io/dockerconfigjson holds it.
DOCKER_CONFIG = ".dockerconfigjson"
#: The same of the older type kubernetes.io/dockercfg: without the `auths` around it.
OLD_DOCKER_CONFIG = ".dockercfg"

_TARGETS_SECRET = "Secret (exportImage.existingSecret)"  # noqa: S105 - what people know it by

#: What an entry may say of the caller; helpers and the like would start programs.
_FIELDS = ("auth", "username", "password", "identitytoken", "registrytoken")


class CredentialsError(Exception):
    """A Secret holds no credentials that can be used; the message says which and what is wrong."""


def mounted(folder: Path, image: str) -> list[Entry]:
    """The credentials in a mounted Secret: a user name and password, or a Docker configuration.

    Raises:
        CredentialsError: it is there and holds neither.
    """
    keys = {path.name for path in folder.glob("*") if path.is_file()}
    if DOCKER_CONFIG in keys:
        return matching([_auths(_text(folder / DOCKER_CONFIG), f"the target's {_TARGETS_SECRET}")], image)
    if not keys:
        return []
    if not {"username", "password"} <= keys:
        raise CredentialsError(f"the target's {_TARGETS_SECRET} lacks the keys username and password")
    return [{key: _text(folder / key).strip() for key in ("username", "password")}]


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except UnicodeDecodeError:
        raise CredentialsError(f"the key {file.name} of the target's {_TARGETS_SECRET} is not text") from None


def of_secret(secret: Mapping[str, Any]) -> Mapping[str, Entry]:
    """The entries of a pull secret, by the registry they are for.

    Raises:
        CredentialsError: it is no pull secret.
    """
    name, data = secret["metadata"]["name"], secret.get("data") or {}
    for key in (DOCKER_CONFIG, OLD_DOCKER_CONFIG):
        if key in data:
            try:
                text = base64.b64decode(data[key], validate=True).decode()
            except (binascii.Error, UnicodeDecodeError) as error:
                raise CredentialsError(f"pull secret {name} cannot be read") from error
            return _auths(text if key == DOCKER_CONFIG else f'{{"auths": {text}}}', f"pull secret {name}")
    raise CredentialsError(f"Secret {name} is no pull secret: it has neither {DOCKER_CONFIG} nor {OLD_DOCKER_CONFIG}")


def matching(configurations: Iterable[Mapping[str, Entry]], image: str) -> list[Entry]:
    """The entries that are for an image, the most particular first."""
    found = [
        (key, entry)
        for configuration in configurations
        for key, entry in configuration.items()
        if entry and _is_for(key, image)
    ]
    return [entry for _, entry in sorted(found, key=lambda pair: -len(pair[0]))]


def docker_config(entries: Mapping[str, Entry | None]) -> str:
    """A Docker configuration with one entry for each repository: source and target may be in one registry."""
    return json.dumps({"auths": {_full(name): entry for name, entry in entries.items() if entry}})


def _auths(text: str, where: str) -> Mapping[str, Entry]:
    try:
        auths = json.loads(text)["auths"]
        return {key: {field: entry[field] for field in _FIELDS if entry.get(field)} for key, entry in auths.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CredentialsError(f"{where} holds no Docker configuration") from error


def _is_for(key: str, image: str) -> bool:
    """Whether the kubelet would use that entry: `*` stands for a part of the host, a path for all below it."""
    host, path = _address(key)
    image_host, _, image_path = _full(image).partition("/")
    if f"/{image_path}/".startswith(f"/{path}/" if path else "/"):
        pattern, name = host.split("."), image_host.split(".")
        return len(pattern) == len(name) and all(map(fnmatchcase, name, pattern))
    return False


def _address(key: str) -> tuple[str, str]:
    """Host and path of an entry's key, which may be a URL of the registry's API."""
    bare = key.partition("://")[2] or key
    host, _, path = bare.partition("/")
    path = path.strip("/")
    return _full(f"{host}/").rstrip("/"), "" if path in ("v1", "v2") else path


def _full(image: str) -> str:
    """Docker Hub goes by another name in Docker configurations."""
    host, slash, path = image.partition("/")
    return f"index.docker.io{slash}{path}" if host == "docker.io" else image

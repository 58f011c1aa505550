"""Which credentials are for an image: as the kubelet decides it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_templates.exportimage.credentials import (
    CredentialsError,
    docker_config,
    matching,
    mounted,
    of_secret,
)

ENTRY = {"username": "alice", "password": "secret"}


def secret(key: str, text: str) -> dict[str, Any]:
    return {"metadata": {"name": "team"}, "data": {key: base64.b64encode(text.encode()).decode()}}


@pytest.mark.parametrize(
    ("key", "image"),
    [
        ("registry.example.com", "registry.example.com/team/app"),
        ("registry.example.com:5000", "registry.example.com:5000/team/app"),
        ("https://registry.example.com", "registry.example.com/team/app"),
        ("https://registry.example.com/v2/", "registry.example.com/team/app"),
        ("registry.example.com/team", "registry.example.com/team/app"),
        ("registry.example.com/team/app", "registry.example.com/team/app"),
        ("*.example.com", "registry.example.com/team/app"),
        ("registry.*.com", "registry.example.com/app"),
        ("https://index.docker.io/v1/", "docker.io/library/busybox"),
        ("docker.io", "docker.io/library/busybox"),
        ("docker.io/library", "docker.io/library/busybox"),
    ],
)
def test_an_entry_is_for_an_image(key: str, image: str) -> None:
    assert matching([{key: ENTRY}], image) == [ENTRY]


@pytest.mark.parametrize(
    ("key", "image"),
    [
        ("registry.example.com", "registry.example.org/team/app"),
        ("registry.example.com", "registry.example.com:5000/team/app"),
        ("registry.example.com:5000", "registry.example.com/team/app"),
        ("example.com", "registry.example.com/team/app"),
        ("*.com", "registry.example.com/team/app"),
        ("registry.example.com/tea", "registry.example.com/team/app"),
        ("registry.example.com/other", "registry.example.com/team/app"),
        ("", "registry.example.com/team/app"),
        ("*.io", "registry.example.com/team/app"),
    ],
)
def test_an_entry_is_not_for_an_image(key: str, image: str) -> None:
    assert matching([{key: ENTRY}], image) == []


def test_the_most_particular_entry_comes_first() -> None:
    wide, narrow, other = ({"auth": text} for text in ("wide", "narrow", "other"))
    found = matching(
        [{"*.example.com": wide}, {"a.example.com/team/app": narrow, "b.example.com": other}], "a.example.com/team/app"
    )
    assert found == [narrow, wide]


@given(st.text(), st.text())
def test_no_key_breaks_the_search(key: str, image: str) -> None:
    assert matching([{key: ENTRY}], image) in ([], [ENTRY])


def test_both_kinds_of_pull_secret_are_read() -> None:
    auths = {"registry.example.com": {**ENTRY, "email": "alice@example.com"}}
    assert of_secret(secret(".dockerconfigjson", json.dumps({"auths": auths}))) == {"registry.example.com": ENTRY}
    assert of_secret(secret(".dockercfg", json.dumps(auths))) == {"registry.example.com": ENTRY}


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({"metadata": {"name": "team"}}, "Secret team is no pull secret"),
        (secret("password", "x"), "Secret team is no pull secret"),
        ({"metadata": {"name": "team"}, "data": {".dockerconfigjson": "%"}}, "pull secret team cannot be read"),
        (secret(".dockerconfigjson", "{"), "pull secret team holds no Docker configuration"),
        (secret(".dockerconfigjson", "{}"), "pull secret team holds no Docker configuration"),
        (secret(".dockerconfigjson", '{"auths": {"a": 1}}'), "pull secret team holds no Docker configuration"),
        (secret(".dockercfg", "[]"), "pull secret team holds no Docker configuration"),
    ],
)
def test_what_is_no_pull_secret_is_said_without_what_is_in_it(found: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CredentialsError, match=sentence):
        of_secret(found)


def test_the_mounted_secret_is_a_user_and_a_password(tmp_path: Path) -> None:
    (tmp_path / "username").write_text("robot$opsjobs\n")
    (tmp_path / "password").write_text("s3cret\n")
    assert mounted(tmp_path, "h.example.com/a/b") == [{"username": "robot$opsjobs", "password": "s3cret"}]


def test_or_a_docker_configuration(tmp_path: Path) -> None:
    (tmp_path / ".dockerconfigjson").write_text(json.dumps({"auths": {"h.example.com": ENTRY, "other.com": {}}}))
    assert mounted(tmp_path, "h.example.com/a/b") == [ENTRY]
    assert mounted(tmp_path, "elsewhere.example.com/a/b") == []


def test_or_nothing(tmp_path: Path) -> None:
    assert mounted(tmp_path, "h.example.com/a/b") == []
    assert mounted(tmp_path / "absent", "h.example.com/a/b") == []


def test_half_an_account_is_said_to_be_that(tmp_path: Path) -> None:
    (tmp_path / "username").write_text("robot")
    with pytest.raises(CredentialsError, match=r"exportImage\.existingSecret.* lacks the keys username and password"):
        mounted(tmp_path, "h.example.com/a/b")


@pytest.mark.parametrize("key", ["password", ".dockerconfigjson"])
def test_what_is_not_text_is_said_to_be_that(tmp_path: Path, key: str) -> None:
    (tmp_path / "username").write_text("robot")
    (tmp_path / key).write_bytes(b"\xff\xfe")
    with pytest.raises(CredentialsError, match=rf"key {key} of the target's Secret .* is not text"):
        mounted(tmp_path, "h.example.com/a/b")


def test_what_else_is_in_the_secret_does_not_matter(tmp_path: Path) -> None:
    for key, content in ENTRY.items():
        (tmp_path / key).write_text(content)
    (tmp_path / "keystore").write_bytes(b"\xff\xfe")
    assert mounted(tmp_path, "h.example.com/a/b") == [ENTRY]


def test_each_repository_has_its_own_entry() -> None:
    """Source and target may be in one registry; Docker Hub goes by its older name."""
    written = docker_config({"docker.io/library/busybox": ENTRY, "h.example.com/a/b": {"auth": "x"}, "c.com/d": None})
    assert json.loads(written) == {
        "auths": {"index.docker.io/library/busybox": ENTRY, "h.example.com/a/b": {"auth": "x"}}
    }

"""No text of others makes a path that means anything but the object of that name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_templates.protocol.api_path import (
    BadNameError,
    api_path,
    api_root,
    is_object_name,
    object_path,
    plain,
)

#: What others might send, and texts near to what they might.
TEXTS = st.one_of(st.text(max_size=12), st.text("./%?#\\ av1-:\n", max_size=12))


def test_paths_are_those_of_kubernetes() -> None:
    assert api_path("v1", "nodes") == "/api/v1/nodes"
    assert api_path("v1", "nodes", name="gpu-1.example.com") == "/api/v1/nodes/gpu-1.example.com"
    assert api_path("apps/v1", "deployments", namespace="team-a", name="web") == (
        "/apis/apps/v1/namespaces/team-a/deployments/web"
    )
    assert api_path("v1", "pods", namespace="a", name="b", subresource="log") == "/api/v1/namespaces/a/pods/b/log"
    assert api_root("batch/v1") == "/apis/batch/v1"
    assert object_path("/api/v1/nodes", "n", "status") == "/api/v1/nodes/n/status"


@given(version=TEXTS, plural=TEXTS, namespace=TEXTS, name=TEXTS)
def test_whatever_is_taken_leads_to_one_object_of_that_name(
    version: str, plural: str, namespace: str, name: str
) -> None:
    try:
        path = api_path(version, plural, namespace=namespace, name=name)
    except BadNameError:
        return
    assert path.split("/")[-4:] == ["namespaces", namespace, plural, name]
    assert path == plain(path)
    assert len(path.split("/")) == (7 if "/" not in version else 8)


@given(name=TEXTS)
def test_only_a_name_is_put_into_a_path(name: str) -> None:
    assert is_object_name(name) == (_path_of(name) == f"/api/v1/nodes/{name}")


def _path_of(name: str) -> str | None:
    try:
        return api_path("v1", "nodes", name=name)
    except BadNameError:
        return None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "api/v1",
        "/api//v1",
        "/api/v1/",
        "/api/v1/../x",
        "/api/./v1",
        "/api/v1?watch=true",
        "/api/%2e%2e/x",
        "/a#b",
    ],
)
def test_a_path_that_could_mean_something_else_is_none(path: str) -> None:
    with pytest.raises(BadNameError, match="is no path"):
        plain(path)


@pytest.mark.parametrize("name", ["gpu-1", "node.example.com", "a", "1"])
def test_names_that_kubernetes_can_have(name: str) -> None:
    assert is_object_name(name)


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "a b", "-a", "a\n", "a?watch=true", "a%2fb", "é", "x" * 254])
def test_names_that_never_reach_a_path(name: str) -> None:
    assert not is_object_name(name)

"""The schemas kubeconform judges by refuse what the apiserver would silently drop."""

import json
from pathlib import Path
from typing import Any

import pytest

from local_cluster.chart_lint import file_name, strict, write_custom, write_kubernetes
from tests.unit.chart.rendering import CHART


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (("", "v1", "Pod"), "pod-v1.json"),
        (("apps", "v1", "Deployment"), "deployment-apps-v1.json"),
        (("rbac.authorization.k8s.io", "v1", "Role"), "role-rbac-v1.json"),
    ],
)
def test_a_schema_is_called_what_kubeconform_asks_for(kind: tuple[str, str, str], name: str) -> None:
    assert file_name(*kind) == name


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        ({"type": "object", "properties": {"a": {}}}, True),
        ({"type": "object"}, False),
        ({"type": "object", "additionalProperties": {"type": "string"}}, False),
        ({"type": "object", "properties": {"a": {}}, "x-kubernetes-preserve-unknown-fields": True}, False),
    ],
)
def test_an_object_that_lists_its_fields_takes_no_other(schema: dict[str, Any], closed: bool) -> None:  # noqa: FBT001 - a case
    assert (strict(schema).get("additionalProperties") is False) is closed


def test_strictness_reaches_every_depth() -> None:
    inner = {"type": "object", "properties": {"name": {"type": "string"}}}
    schema = strict({"type": "object", "properties": {"all": {"type": "array", "items": inner}}})
    assert schema["properties"]["all"]["items"]["additionalProperties"] is False


def test_a_port_may_be_a_name_or_a_number() -> None:
    assert strict({"type": "string", "x-kubernetes-int-or-string": True}) == {"x-kubernetes-int-or-string": True}


def test_kinds_of_kubernetes_refer_to_their_definition(tmp_path: Path) -> None:
    pod = {
        "type": "object",
        "properties": {"spec": {"$ref": "#/definitions/PodSpec"}},
        "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Pod"}],
    }
    write_kubernetes({"definitions": {"Pod": pod, "PodSpec": {"type": "object"}}}, tmp_path)
    assert json.loads((tmp_path / "pod-v1.json").read_text()) == {"$ref": "definitions.json#/definitions/Pod"}
    assert (
        json.loads((tmp_path / "definitions.json").read_text())["definitions"]["Pod"]["additionalProperties"] is False
    )


def test_our_own_kinds_have_a_schema_each(tmp_path: Path) -> None:
    for path in (CHART / "crds").glob("*.yaml"):
        write_custom(path, tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"addontemplate-opsjob-v1alpha1.json", "nodetemplate-opsjob-v1alpha1.json"}

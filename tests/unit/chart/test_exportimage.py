"""exportimage in the chart: installed with a registry, and no right beyond what is named."""

import json

import pytest

from tests.unit.chart.rendering import CHART, Object, Rendered, refusal, render

pytestmark = pytest.mark.programs

REGISTRY = {"registry": "harbor.example.com"}


def rendered(**values: object) -> Rendered:
    return render({"exportImage": {**REGISTRY, **values}})


def template(found: Rendered) -> Object:
    (item,) = (
        item for item in found.kind("WorkflowTemplate") if item["metadata"]["labels"]["opsjob.io/type"] == "exportimage"
    )
    return item


def volumes(found: Rendered) -> dict[str, Object]:
    return {volume["name"]: volume for volume in template(found)["spec"]["volumes"]}


def test_without_a_registry_it_is_not_there() -> None:
    without = render({})
    assert "exportimage" not in json.loads(without.settings["OPSJOBS_TEMPLATES"])
    kinds = ("WorkflowTemplate", "ServiceAccount", "Role", "RoleBinding")
    names = [item["metadata"]["name"] for kind in kinds for item in without.kind(kind)]
    assert not [name for name in names if "exportimage" in name]


def test_with_one_the_service_and_the_step_are_told_of_it() -> None:
    found = rendered(project="kept", existingSecret="robot", caConfigMap="authority")
    assert json.loads(found.settings["OPSJOBS_TEMPLATES"])["exportimage"] == template(found)["metadata"]["name"]
    assert found.settings["OPSJOBS_EXPORT_REGISTRY"] == "harbor.example.com"
    assert found.settings["OPSJOBS_EXPORT_PROJECT"] == "kept"
    assert volumes(found)["credentials"]["secret"] == {"secretName": "robot", "optional": True}
    assert volumes(found)["authorities"]["configMap"] == {"name": "authority", "optional": True}


def test_without_credentials_or_an_authority_of_its_own_the_step_still_starts() -> None:
    found = volumes(rendered())
    assert found["credentials"]["secret"]["optional"]
    assert found["authorities"]["configMap"]["optional"]
    assert "OPSJOBS_REGISTRY" not in json.dumps(found)


def test_the_step_may_lock_and_nothing_else() -> None:
    found = rendered()
    (role,) = (role for role in found.kind("Role") if "exportimage" in role["metadata"]["name"])
    rights = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert rights == {
        ("workflowtaskresults", "create"),
        ("workflowtaskresults", "patch"),
        ("workflows", "get"),
        *(("leases", verb) for verb in ("get", "create", "patch", "delete")),
    }
    assert not [role for role in found.kind("ClusterRole") if "exportimage" in role["metadata"]["name"]]


def test_it_reads_the_named_pull_secrets_and_no_others() -> None:
    found = rendered(
        pullSecrets=[{"namespace": "team-a", "names": ["a", "b"]}, {"namespace": "team-b", "names": ["c"]}]
    )
    roles = {role["metadata"].get("namespace"): role["rules"] for role in found.kind("Role")}
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    assert roles["team-a"] == [{**rule, "resourceNames": ["a", "b"]}]
    assert roles["team-b"] == [{**rule, "resourceNames": ["c"]}]
    bindings = [item for item in found.kind("RoleBinding") if item["metadata"].get("namespace") in ("team-a", "team-b")]
    subject = {"kind": "ServiceAccount", "name": "opsjob-exportimage", "namespace": "opsjobs-jobs"}
    assert [binding["subjects"] for binding in bindings] == [[subject], [subject]]


@pytest.mark.parametrize(
    "registry", ["harbor.example.com", "harbor.example.com:8443", "registry.team-a.svc.cluster.local.example"]
)
def test_a_registry_is_a_name_with_or_without_a_port(registry: str) -> None:
    assert render({"exportImage": {"registry": registry}}).settings["OPSJOBS_EXPORT_REGISTRY"] == registry


@pytest.mark.parametrize("registry", ["10.0.0.5", "10.0.0.5:443", "harbor.local", "harbor.local:443"])
def test_where_crane_might_fall_back_to_http_is_refused(registry: str) -> None:
    assert "plain HTTP" in refusal({"exportImage": {"registry": registry}})


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"registry": "https://harbor.example.com"}, "registry"),
        ({"registry": "harbor.example.com/custom"}, "registry"),
        ({"registry": "localhost:5000"}, "registry"),
        ({"registry": "Harbor.example.com"}, "registry"),
        ({"project": "Custom"}, "project"),
        ({"project": ""}, "project"),
        ({"pullSecrets": [{"namespace": "team-a"}]}, "names"),
        ({"pullSecrets": [{"namespace": "team-a", "names": []}]}, "names"),
        ({"password": "secret"}, "password"),
    ],
)
def test_what_cannot_be_right_is_refused(values: Object, where: str) -> None:
    assert where in refusal({"exportImage": values})


def test_the_full_scenario_has_it() -> None:
    assert template(render(CHART / "ci" / "full-values.yaml"))

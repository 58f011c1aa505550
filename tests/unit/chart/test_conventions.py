"""What people expect of any chart: other names, more variables and volumes, how pods are spread, bounded disk space."""

from typing import Any

import pytest

from tests.unit.chart.rendering import CHART, Object, Rendered, refusal, render

pytestmark = pytest.mark.programs

POSTGRESQL = {"database": {"existingSecret": "opsjobs-database"}, "replicas": 2}
PROXY = {"name": "HTTPS_PROXY", "value": "http://proxy:3128"}
VOLUME: Object = {"name": "authorities", "configMap": {"name": "authorities"}}
MOUNT = {"name": "authorities", "mountPath": "/etc/authorities"}


def pod(rendered: Rendered) -> Object:
    (found,) = rendered.kind("Deployment")
    spec: Object = found["spec"]["template"]["spec"]
    return spec


def names(rendered: Rendered, kind: str) -> set[str]:
    return {item["metadata"]["name"] for item in rendered.kind(kind)}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "opsjobs"),
        ({"nameOverride": "nodes"}, "opsjobs-nodes"),
        ({"fullnameOverride": "node-jobs"}, "node-jobs"),
        ({"nameOverride": "nodes", "fullnameOverride": "node-jobs"}, "node-jobs"),
    ],
)
def test_objects_are_named_as_asked(values: Object, expected: str) -> None:
    rendered = render(values)
    assert names(rendered, "Deployment") == {expected}
    assert expected in names(rendered, "Service")
    assert f"{expected}-operator" in names(rendered, "ClusterRole")
    (deployment,) = rendered.kind("Deployment")
    (service,) = (item for item in rendered.kind("Service") if item["metadata"]["name"] == expected)
    chosen, labels = service["spec"]["selector"], deployment["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= chosen.items()
    assert labels["app.kubernetes.io/name"] == values.get("nameOverride", "opsjobs")
    assert pod(rendered)["serviceAccountName"] in names(rendered, "ServiceAccount")


@pytest.mark.parametrize("name", ["Upper", "-x", "a.b", "x" * 53])
def test_a_name_that_kubernetes_does_not_take_is_refused(name: str) -> None:
    assert "fullnameOverride" in refusal({"fullnameOverride": name})


@pytest.mark.parametrize("values", [{}, POSTGRESQL], ids=["SQLite", "PostgreSQL"])
def test_more_variables_and_volumes_reach_the_service_and_its_migrations(values: Object) -> None:
    more = {"extraEnv": [PROXY], "extraVolumes": [VOLUME], "extraVolumeMounts": [MOUNT]}
    plain, found = pod(render(values)), pod(render({**values, **more}))
    for before, after in zip(containers(plain), containers(found), strict=True):
        assert after["env"] == [*before.get("env", []), PROXY]
        assert MOUNT in after["volumeMounts"]
        assert [one for one in after["volumeMounts"] if one != MOUNT] == before["volumeMounts"]
    assert [one for one in found["volumes"] if one != VOLUME] == plain["volumes"]


def containers(spec: Object) -> list[Any]:
    return [*spec["initContainers"], *spec["containers"]]


def test_pods_are_spread_over_nodes_or_as_asked() -> None:
    assert "topologySpreadConstraints" not in pod(render({}))
    (over_nodes,) = pod(render(POSTGRESQL))["topologySpreadConstraints"]
    assert over_nodes["topologyKey"] == "kubernetes.io/hostname"
    assert over_nodes["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "service"
    own = {"matchLabels": {"mine": "yes"}}
    zones = {"maxSkew": 2, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
    asked = [zones, {**zones, "labelSelector": own}]
    first, second = pod(render({**POSTGRESQL, "topologySpreadConstraints": asked}))["topologySpreadConstraints"]
    assert {key: first[key] for key in zones} == zones
    assert first["labelSelector"] == over_nodes["labelSelector"]
    assert second["labelSelector"] == own


def test_every_container_of_the_release_has_bounded_memory_and_disk() -> None:
    rendered = render(CHART / "ci" / "full-values.yaml")
    specs = [item["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for item in rendered.kind(kind)]
    specs += [item["spec"] for item in rendered.kind("Pod")]
    assert len(specs) == 3, "the service, the clean-up of an uninstall, helm test"
    for spec in specs:
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            for amount in ("memory", "ephemeral-storage"):
                assert container["resources"]["requests"][amount], container["name"]
                assert container["resources"]["limits"][amount], container["name"]

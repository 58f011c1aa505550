"""Every value is explained, typed, and known under one name by chart and service."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import yaml
from pydantic import BaseModel

from service.settings import Settings
from tests.unit.chart.rendering import CHART, SCENARIOS

VALUES = (CHART / "values.yaml").read_text()
SCHEMA = (CHART / "values.schema.json").read_text()


def paths(values: dict[str, Any], schema: dict[str, Any], above: str = "") -> Iterator[str]:
    """Dotted paths of all values the schema lists; what it leaves open (annotations, affinity) is one value."""
    for key, value in values.items():
        described = schema["properties"].get(key, {})
        if "properties" in described:
            yield from paths(value, described, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def described(schema: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in schema["properties"].items():
        if "properties" in value:
            yield from described(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def test_schema_and_defaults_name_the_same_values() -> None:
    schema = yaml.safe_load(SCHEMA)
    assert set(paths(yaml.safe_load(VALUES), schema)) == {path for path, _ in described(schema)} - {"global"}


def test_every_value_has_a_meaning_and_a_type() -> None:
    for path, value in described(yaml.safe_load(SCHEMA)):
        assert value.get("description") or path.endswith(("tag", "size")), path
        assert value["type"], path


def test_no_object_takes_a_value_that_nobody_knows() -> None:
    def closed(schema: dict[str, Any]) -> bool:
        inner = [value for value in schema.get("properties", {}).values() if "properties" in value]
        return schema["additionalProperties"] is False and all(closed(value) for value in inner)

    assert closed(yaml.safe_load(SCHEMA))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_scenarios_obey_the_schema(scenario: Any) -> None:
    validator = jsonschema_rs.validator_for(yaml.safe_load(SCHEMA))
    assert [str(error) for error in validator.iter_errors(yaml.safe_load(scenario.read_text()))] == []


@pytest.mark.parametrize(
    ("values", "at"),
    [
        ({"replicas": 0}, "replicas"),
        ({"clusterId": ""}, "clusterId"),
        ({"logLevel": "loud"}, "logLevel"),
        ({"runAsUser": 0}, "runAsUser"),
        ({"jobs": {"namespace": "No_Name"}}, "jobs"),
        ({"jobs": {"defaultTtlSeconds": 0}}, "jobs"),
        ({"jobs": {"workspaceLabel": "no label"}}, "jobs"),
        ({"persistence": {"hostPath": {"path": "relative"}}}, "persistence"),
        ({"persistence": {"size": "much"}}, "persistence"),
        ({"service": {"port": 70000}}, "service"),
        ({"argo": {"uiUrl": "argo.example.com"}}, "argo"),
        ({"preflight": {"markTaint": "opsjob.io/unhealthy"}}, "preflight"),
        ({"preflight": {"pullPolicy": "Sometimes"}}, "preflight"),
        ({"preflight": {"images": ["registry example"]}}, "preflight"),
        ({"preflight": {"defaultLimits": {"cpu": 4}}}, "preflight"),
        ({"preflight": {"defaultTimeoutSeconds": -1}}, "preflight"),
        ({"preflight": {"markTaint": "bad:Never"}}, "preflight"),
        ({"preflight": {"markLabel": "a b"}}, "preflight"),
    ],
)
def test_schema_refuses(values: dict[str, Any], at: str) -> None:
    errors = list(jsonschema_rs.validator_for(yaml.safe_load(SCHEMA)).iter_errors(values))
    assert [error.instance_path[0] for error in errors] == [at]


def test_chart_sets_every_setting_of_the_service_and_no_other() -> None:
    set_by_chart = set(re.findall(r"OPSJOBS_[A-Z_]+(?=: )", (CHART / "templates" / "configmap.yaml").read_text()))
    # A pod has its ServiceAccount, and no kubeconfig.
    assert set_by_chart == {f"OPSJOBS_{name.upper()}" for name in variables(Settings)} - {"OPSJOBS_KUBECONFIG"}


def variables(model: type[BaseModel]) -> Iterator[str]:
    """Names of settings; those of a group begin with its own."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from (f"{name}_{of_group}" for of_group in variables(field.annotation))
        else:
            yield name


def test_every_variable_that_the_chart_sets_reaches_the_setting_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSJOBS_REBOOT_EVICT_SECONDS", "5")
    monkeypatch.setenv("OPSJOBS_REBOOT_KEPT_NAMESPACES", '["a", "b"]')
    monkeypatch.setenv("OPSJOBS_DUMPLOG_NODE_LOG_HOURS", "3")
    monkeypatch.setenv("OPSJOBS_DUMPLOG_NAMESPACES", '["team-a"]')
    monkeypatch.setenv("OPSJOBS_PREFLIGHT_DEFAULT_LIMITS", '{"cpu": "1"}')
    monkeypatch.setenv("OPSJOBS_EXPORT_REFUSED_NETWORKS", '["10.0.0.0/8"]')
    monkeypatch.setenv("OPSJOBS_WORKLOAD_LABELS", '["example.com/job"]')
    known = Settings()
    assert (known.reboot.evict_seconds, list(known.reboot.kept_namespaces)) == (5, ["a", "b"])
    assert (known.dumplog.node_log_hours, list(known.dumplog.namespaces)) == (3, ["team-a"])
    assert known.preflight.default_limits == {"cpu": "1"}
    assert list(known.export.refused_networks) == ["10.0.0.0/8"]
    assert known.workload_labels == ("example.com/job",)

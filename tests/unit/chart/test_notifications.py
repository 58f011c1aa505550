"""Receivers: the service learns all of them but where they are, which lies in Secrets alone."""

import json
from typing import Any

import pytest

from tests.unit.chart.rendering import CONTROLLER, refusal, render

pytestmark = pytest.mark.programs
ONCALL = {"name": "oncall", "format": "slack", "existingSecret": "oncall-hook", "urlKey": "address"}


def values(*receivers: dict[str, Any]) -> dict[str, Any]:
    return {"argo": CONTROLLER, "notifications": {"receivers": list(receivers)}}


def test_a_receivers_address_is_mounted_and_stands_nowhere_else() -> None:
    rendered = render(values({**ONCALL, "signingKey": "secret"}))
    pod = rendered.one("Deployment")["spec"]["template"]["spec"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "receiver-oncall"]
    items = [{"key": "address", "path": "url"}, {"key": "secret", "path": "signingKey"}]
    assert volume["secret"] == {"secretName": "oncall-hook", "defaultMode": 0o440, "optional": True, "items": items}
    (mount,) = [one for one in rendered.service_container["volumeMounts"] if one["name"] == "receiver-oncall"]
    assert mount == {"name": "receiver-oncall", "mountPath": "/etc/opsjobs-receivers/oncall", "readOnly": True}
    (known,) = json.loads(rendered.settings["OPSJOBS_RECEIVERS"])
    assert (known["name"], known["format"], known["wait_seconds"]) == ("oncall", "slack", 3600)
    assert set(known["events"]) == {"gate", "paused", "nodeFailed", "ended", "leftCordoned", "waits"}
    assert "oncall-hook" not in rendered.settings["OPSJOBS_RECEIVERS"]


def test_without_receivers_nothing_is_mounted() -> None:
    rendered = render(values())
    assert rendered.settings["OPSJOBS_RECEIVERS"] == "[]"
    assert "receiver" not in json.dumps(rendered.one("Deployment"))


def test_two_of_one_name_are_refused() -> None:
    assert "oncall stands there twice" in refusal(values(ONCALL, ONCALL))


@pytest.mark.parametrize(
    "wrong",
    [{"name": "On Call"}, {"format": "email"}, {"url": "https://hooks.example.com/T0KEN"}, {"events": ["all"]}],
    ids=str,
)
def test_the_schema_refuses_an_address_in_the_values_and_what_it_does_not_know(wrong: dict[str, Any]) -> None:
    assert refusal(values({**ONCALL, **wrong}))

"""What form-driven clients send for every type, other spellings of a field, and how faults name what was sent."""

import json
from typing import Any

import pytest

from service.api import body, parse_order
from service.api.examples import ADDON, DUMPLOG, EXPORTIMAGE, PREFLIGHT, REBOOT
from service.domain.request_faults import MAX_FAULTS, Fault
from service.jobs.order import Order

#: Every field that no other type has, as an empty form sends it.
EMPTY_FORM: dict[str, Any] = {
    "batchCount": None,
    "availableRatio": None,
    "securityUpgrade": None,
    "securityOperation": False,
    "resource": {},
    "image": "",
    "entryPoint": "",
    "env": {},
    "hostpath": [],
}


def form(content: dict[str, Any]) -> parse_order.Form:
    return parse_order.form(body.parse(json.dumps(content).encode()))


def placed(content: dict[str, Any]) -> Order:
    found = form(content)
    assert found.faults == ()
    assert found.order
    return found.order


def faults(content: dict[str, Any]) -> dict[str, Fault]:
    return {fault.path: fault for fault in form(content).faults}


def test_what_the_original_systems_web_client_sends_with_every_preflight() -> None:
    order = placed(PREFLIGHT | {"securityOperation": False, "replica": 0})
    assert "replica" not in order.options["resource"]
    assert "securityUpgrade" not in order.options


@pytest.mark.parametrize("example", [DUMPLOG, REBOOT, EXPORTIMAGE], ids=lambda example: str(example["type"]))
def test_empty_fields_of_other_types_say_nothing(example: dict[str, Any]) -> None:
    assert placed(example | EMPTY_FORM) == placed(example)


def test_an_empty_field_of_ones_own_type_is_what_it_is() -> None:
    assert set(faults(PREFLIGHT | {"image": "", "entryPoint": None})) == {"image", "entryPoint"}


@pytest.mark.parametrize("value", [None, "", {}, [], False, 0])
def test_an_empty_field_that_nobody_has_is_a_misspelt_one(value: Any) -> None:
    assert faults(REBOOT | {"batchcount": value})["batchcount"].code == "UNKNOWN_FIELD"


@pytest.mark.parametrize("value", [True, 1, "x"])
def test_what_is_not_empty_is_another_types(value: Any) -> None:
    assert faults(REBOOT | {"securityOperation": value})["securityOperation"].code == "FIELD_OF_ANOTHER_TYPE"


@pytest.mark.parametrize(
    ("changes", "replica"),
    [
        ({"replica": 2}, 2),
        ({"replica": 2, "resource": None}, 2),
        ({"replica": 2, "resource": {"replica": 2}}, 2),
        ({"replica": None, "resource": {"replica": 2}}, 2),
        ({"replica": 2, "resource": {"replica": None}}, 2),
        ({"replica": 0}, None),
        ({"resource": {"replica": 0}}, None),
        ({"replica": 0, "resource": {"replica": 0}}, None),
    ],
)
def test_replica_is_another_spelling_of_the_resources(changes: dict[str, Any], replica: int | None) -> None:
    assert (placed(PREFLIGHT | changes).options.get("resource") or {}).get("replica") == replica


@pytest.mark.parametrize("other", [0, 3])
def test_two_spellings_that_differ_are_a_contradiction(other: int) -> None:
    fault = faults(PREFLIGHT | {"replica": 2, "resource": {"replica": other}})["replica"]
    assert fault.code == "CONTRADICTION"
    assert f"2 and {other} were sent" in fault.message


def test_a_faulty_replica_is_named_as_it_was_sent() -> None:
    assert set(faults(PREFLIGHT | {"replica": "two"})) == {"replica"}
    assert set(faults(PREFLIGHT | {"replica": -1})) == {"replica"}
    assert faults(ADDON | {"replica": 2})["replica"].code == "FIELD_OF_ANOTHER_TYPE"


@pytest.mark.parametrize(("upgrade", "operation"), [(True, False), (False, True)])
def test_security_operation_and_upgrade_that_differ_are_a_contradiction(*, upgrade: bool, operation: bool) -> None:
    found = faults(ADDON | {"securityUpgrade": upgrade, "securityOperation": operation})
    assert found["securityOperation"].code == "CONTRADICTION"


@pytest.mark.parametrize("value", [True, False])
def test_security_operation_is_another_spelling_of_security_upgrade(*, value: bool) -> None:
    assert placed(ADDON | {"securityUpgrade": None, "securityOperation": value}).options["securityUpgrade"] is value
    assert placed(ADDON | {"securityUpgrade": value, "securityOperation": value}).options["securityUpgrade"] is value


@pytest.mark.parametrize("zero", [0, "0", "0Gi", "0.0", "0m"])
@pytest.mark.parametrize("name", ["gpu", "ephemeralStorage", "sharedMemory"])
def test_zero_of_these_asks_for_nothing(name: str, zero: Any) -> None:
    assert placed(PREFLIGHT | {"resource": {"cpu": "1", name: zero}}).options["resource"] == {"cpu": "1"}


@pytest.mark.parametrize("name", ["cpu", "memory"])
def test_zero_of_those_is_a_mistake(name: str) -> None:
    assert "more than zero" in faults(PREFLIGHT | {"resource": {name: "0"}})[f"resource.{name}"].message


@pytest.mark.parametrize("name", ["a.b", "a-b", "1a", "", "a b", "é", "a" * 254])
def test_a_name_that_shells_drop_is_refused(name: str) -> None:
    """Dash and busybox drop them: the check never saw the variable, and nothing said so."""
    (fault,) = form(PREFLIGHT | {"env": {name: "topsecret"}}).faults
    assert fault.path == (f"env.{name}" if len(name) < 100 else f"env.{'a' * 99}…")


def test_the_mask_is_no_value_for_a_secret() -> None:
    """Whoever sends back what GET showed would run the check with `***` as its password."""
    fault = faults(PREFLIGHT | {"env": {"DB_PASSWORD": "***", "OTHER": "**"}})["env.DB_PASSWORD"]
    assert fault.code == "MASKED_VALUE"


@pytest.mark.parametrize("value", [{"A": "s3cret\n" * 30_000}, {"A": 5_3_1}, {"1": "s3cret"}, ["s3cret"], "s3cret"])
def test_no_fault_shows_a_value_of_env(value: Any) -> None:
    found = form(PREFLIGHT | {"env": value}).faults
    assert found
    assert not [fault for fault in found if "s3cret" in str(fault) or "531" in str(fault)]


@pytest.mark.parametrize(
    ("changes", "path", "sent"),
    [
        ({"batchCount": "many"}, "batchCount", "'many' was sent"),
        ({"batchCount": 0}, "batchCount", "0 was sent"),
        ({"batchCount": True}, "batchCount", "true was sent"),
        ({"availableRatio": 1.5}, "availableRatio", "1.5 was sent"),
        ({"name": None}, "name", "null was sent"),
        ({"type": "addons"}, "type", "'addons' was sent"),
        ({"inputs": [{"name": "nodes", "value": "n"}]}, "inputs[0].name", "'nodes' was sent"),
        ({"batchcount": 3}, "batchcount", "3 was sent"),
        ({"image": "x"}, "image", "'x' was sent"),
        ({"excludedNodes": "n1"}, "excludedNodes", "'n1' was sent"),
        ({"excludedNodes": {}}, "excludedNodes", "an object was sent"),
    ],
)
def test_a_fault_names_what_was_sent(changes: dict[str, Any], path: str, sent: str) -> None:
    assert faults(ADDON | changes)[path].message.endswith(sent)


def test_what_was_sent_is_cut() -> None:
    message = faults(ADDON | {"batchCount": "x" * 100_000, "y" * 100_000: "z" * 100_000})
    assert all(len(fault.path) <= 100 and len(fault.message) < 300 for fault in message.values())


def test_no_more_faults_are_built_than_are_named() -> None:
    assert len(form(ADDON | {"excludedNodes": [1] * 5_000}).faults) == MAX_FAULTS + 1

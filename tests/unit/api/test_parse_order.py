import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api import body, parse_order
from service.api.examples import ADDON, DUMPLOG, EXPORTIMAGE, PREFLIGHT, REBOOT
from service.api.problems import Problem, refused
from service.domain.job import JobType
from service.jobs.order import Order

EXAMPLES = (ADDON, PREFLIGHT, DUMPLOG, REBOOT, EXPORTIMAGE)


def placed(content: dict[str, Any]) -> Order:
    """The order that a body of that content places, by the way a request takes."""
    return ordered(json.dumps(content).encode())


def ordered(raw: bytes) -> Order:
    form = parse_order.form(body.parse(raw))
    if form.faults or not form.order:
        raise refused(form.faults)
    return form.order


def faults(**changes: Any) -> dict[str, str]:
    """What is wrong with the addon example under these changes; None takes a field away."""
    return faults_of({key: value for key, value in (ADDON | changes).items() if value is not None})


def faults_of(content: dict[str, Any]) -> dict[str, str]:
    try:
        placed(content)
    except Problem as problem:
        assert problem.status == 400
        return {fault.path: fault.message for fault in problem.faults}
    return {}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["type"])
def test_the_documents_examples_are_accepted(example: dict[str, Any]) -> None:
    order = placed(example)
    assert order.name == example["name"]
    assert order.type == example["type"]
    assert [(item.name, item.value) for item in order.inputs] == [(i["name"], i["value"]) for i in example["inputs"]]
    assert order.timeout_second == example.get("timeoutSecond")
    rest = {key for key in example if key not in ("name", "type", "inputs", "timeoutSecond")}
    assert {key: order.options[key] for key in rest} == {key: example[key] for key in rest}


def test_of_a_duplicate_key_the_last_wins() -> None:
    text = json.dumps(PREFLIGHT)[:-1] + ', "hostpath": ["/var/log"], "hostpath": ["/data"]}'
    assert ordered(text.encode()).options["hostpath"] == ["/data"]


def test_every_fault_is_named_at_once() -> None:
    found = faults(name="", inputs=[{"name": "nodes", "value": "a"}], batchCount=0, batchcount=3, availableRatio=1.5)
    assert set(found) == {"name", "inputs[0].name", "batchCount", "batchcount", "availableRatio"}


def test_an_unknown_type_lists_the_five_and_hides_no_other_fault() -> None:
    found = faults(type="addons", name=7)
    assert set(found) == {"type", "name"}
    assert all(kind in found["type"] for kind in JobType)
    assert "type" in faults(type=None)


@pytest.mark.parametrize("field", ["batchCount", "availableRatio", "securityUpgrade", "image", "env", "hostpath"])
def test_a_field_of_another_type_is_named(field: str) -> None:
    found = faults_of(REBOOT | {field: 1})
    assert field in found
    assert "is only for" in found[field]
    assert "reboot" in found[field]


def test_security_operation_is_another_spelling_of_security_upgrade() -> None:
    content = {key: value for key, value in ADDON.items() if key != "securityUpgrade"}
    assert placed(content | {"securityOperation": True}).options["securityUpgrade"] is True


@pytest.mark.parametrize("name", ["", "   ", "---", "x" * 254, 5, ["a"]])
def test_a_name_must_hold_a_letter_or_digit(name: Any) -> None:
    assert "name" in faults(name=name)


@pytest.mark.parametrize("name", ["a", "7", "升级", "É" * 253, "a b/c"])
def test_any_display_name_is_a_name(name: str) -> None:
    assert placed(ADDON | {"name": name}).name == name


def test_a_scope_is_needed() -> None:
    assert "node, workload, workspace, cluster" in faults(inputs=[{"name": "addon.template", "value": "a"}])["inputs"]
    assert "inputs" in faults(inputs=[])
    assert "inputs" in faults(inputs=None)


def test_an_addon_needs_something_to_run() -> None:
    assert "addon.template" in faults(inputs=[{"name": "node", "value": "a"}])["inputs"]


@pytest.mark.parametrize("example", [DUMPLOG, EXPORTIMAGE], ids=["dumplog", "exportimage"])
def test_these_need_a_workload(example: dict[str, Any]) -> None:
    assert "workload" in faults_of(example | {"inputs": [{"name": "node", "value": "a"}]})["inputs"]


@pytest.mark.parametrize("ratio", [0, -1, 1.01, "0.5", True, [], 10**400])
def test_a_ratio_outside_its_range_is_refused(ratio: Any) -> None:
    assert "availableRatio" in faults(availableRatio=ratio)


def test_a_ratio_stays_the_decimal_that_was_written() -> None:
    text = json.dumps(ADDON).replace('"availableRatio": 1.0', '"availableRatio": 0.07')
    assert ordered(text.encode()).options["availableRatio"] == Decimal("0.07")


@pytest.mark.parametrize("field", ["timeoutSecond", "ttlSecondsAfterFinished", "batchCount"])
@pytest.mark.parametrize("value", ["5", 1.5, True, 2**31, []])
def test_whole_numbers_are_whole_numbers(field: str, value: Any) -> None:
    assert field in faults(**{field: value})


def test_zero_and_less_mean_no_timeout_and_are_accepted() -> None:
    assert placed(ADDON | {"timeoutSecond": -5}).timeout_second == -5


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"image": ""}, "image"),
        ({"image": "two words"}, "image"),
        ({"hostpath": ["relative"]}, "hostpath[0]"),
        ({"hostpath": ["/var/log", "/var/../etc"]}, "hostpath[1]"),
        ({"hostpath": ["//etc"]}, "hostpath[0]"),
        ({"env": {"1X": "a"}}, "env.1X"),
        ({"env": {"A": 1}}, "env.A"),
        ({"resource": {"cpu": "many"}}, "resource.cpu"),
        ({"resource": {"memory": "0"}}, "resource.memory"),
        ({"resource": {"disk": "1Gi"}}, "resource.disk"),
        ({"resource": {"replica": -1}}, "resource.replica"),
        ({"resource": {"replica": True}}, "resource.replica"),
    ],
)
def test_what_preflight_refuses(changes: dict[str, Any], path: str) -> None:
    assert set(faults_of(PREFLIGHT | changes)) == {path}


def test_preflight_needs_image_and_entry_point() -> None:
    content = {key: value for key, value in PREFLIGHT.items() if key not in ("image", "entryPoint")}
    assert faults_of(content) == {"image": "is required", "entryPoint": "is required"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(field=st.sampled_from(sorted(ADDON | PREFLIGHT)), value=JSON, example=st.sampled_from(EXAMPLES))
def test_whatever_a_field_holds_it_is_an_order_or_a_fault(field: str, value: Any, example: dict[str, Any]) -> None:
    try:
        assert placed(example | {field: value}).name
    except Problem as problem:
        assert problem.status == 400
        assert problem.faults


@pytest.mark.parametrize("selector", ["gpu=h100,rack in (r1,r2)", "!spare"])
def test_a_label_selector_is_a_scope(selector: str) -> None:
    named = [{"name": "addon.template", "value": "a"}, {"name": "node.selector", "value": selector}]
    assert placed(ADDON | {"inputs": named}).values("node.selector") == [selector]


def test_what_is_no_label_selector_is_refused_where_it_stands() -> None:
    named = [{"name": "addon.template", "value": "a"}, {"name": "node.selector", "value": "gpu in h100"}]
    assert "is no label selector: expected '(', found 'h100'" in faults(inputs=named)["inputs[1].value"]

"""From steps and logs to the report: JSON by its published schema, JUnit XML, a picture, and both of them escaped."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_templates.preflight import check_results
from workflow_templates.preflight.check_results import Check, Node
from workflow_templates.preflight.report_json import document
from workflow_templates.preflight.report_junit import junit
from workflow_templates.preflight.report_svg import matrix
from workflow_templates.protocol.check_outcome import CheckOutcome

SCHEMA = jsonschema_rs.validator_for(
    json.loads((Path(__file__).parents[3] / "docs/schemas/preflight-report.schema.json").read_text())
)
STATUSES = st.sampled_from(["pass", "fail", "error", "skip"])
CHECKS = st.builds(
    Check,
    name=st.text(min_size=1),
    status=STATUSES,
    value=st.none() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    unit=st.text(),
    reason=st.text(),
    action=st.text(),
)
NODES = st.lists(
    st.builds(
        Node,
        name=st.text(min_size=1),
        status=STATUSES,
        reason=st.text(),
        exit_code=st.none() | st.integers(0, 255),
        started=st.just("2026-01-02T03:04:05Z"),
        finished=st.just("2026-01-02T03:04:09Z"),
        last_lines=st.text(),
        checks=st.lists(CHECKS, max_size=3).map(tuple),
    ),
    max_size=4,
)


def step(phase: str, message: str = "", code: str | None = None) -> dict[str, Any]:
    outputs = {} if code is None else {"exitCode": code}
    times = {"startedAt": "2026-01-02T03:04:05Z", "finishedAt": "2026-01-02T03:04:35Z"}
    return {"phase": phase, "message": message, "outputs": outputs, **times}


def ended(status: str, message: str = "", code: int | None = None, *, cut_off: bool = False) -> CheckOutcome:
    begun, end = "2026-01-02T03:04:05Z", "2026-01-02T03:04:35Z"
    return CheckOutcome(status=status, message=message, code=code, cut_off=cut_off, started=begun, finished=end)


STOPPED = "workflow shutdown with strategy:  Stop"


@pytest.mark.parametrize(
    ("entry", "outcome", "status", "reason"),
    [
        (step("Succeeded", code="0"), ended("pass", code=0), "pass", ""),
        (step("Failed"), ended("fail", "the disk is full", 1), "fail", "the disk is full (exit code 1)"),
        (step("Failed"), ended("fail", "", 1), "fail", "exit code 1"),
        (step("Failed"), ended("error", "no tool (exit code 127)", 127), "error", "no tool (exit code 127)"),
        (step("Failed"), ended("error", "its pod was deleted"), "error", "its pod was deleted"),
        (
            step("Failed"),
            ended("error", "could not be started within 20 s: no"),
            "error",
            "could not be started within 20 s: no",
        ),
        (
            step("Failed", STOPPED),
            ended("error", "was stopped", 143, cut_off=True),
            "error",
            f"{STOPPED} (exit code 143)",
        ),
        # Nothing is known but of the runner, whose own code says nothing of the node.
        (step("Succeeded", code="0"), None, "pass", ""),
        (step("Failed", "main: Error (exit code 1)", "1"), None, "error", "main: Error (exit code 1)"),
        (step("Failed", "main: OOMKilled (exit code 137)", "137"), None, "error", "main: OOMKilled (exit code 137)"),
        (step("Failed", STOPPED), None, "error", STOPPED),
        (step("Failed"), None, "error", "did not come to an end"),
        (None, None, "error", "not begun"),
    ],
)
def test_how_a_check_ended(
    entry: dict[str, Any] | None, outcome: CheckOutcome | None, status: str, reason: str
) -> None:
    node = check_results.of("n", entry, "", outcome)
    assert (node.status, node.reason) == (status, reason)


def test_a_nodes_time_is_its_checks() -> None:
    assert check_results.of("n", step("Succeeded", code="0"), "", ended("pass")).seconds == 30
    assert check_results.of("n", None, "").seconds is None


def test_a_result_file_becomes_checks_and_is_no_last_line() -> None:
    log = (
        "measuring\ndone\n\n"
        'opsjob-result: {"checks": [\nopsjob-result: {"name": "disk", "ok": true, "value": 12.5, "unit": "GiB"},\n'
        'opsjob-result: {"name": "clock", "ok": false, "value": "late", "reason": "off", "action": "start ntpd"},\n'
        'opsjob-result: {"name": "gpu", "status": "skip"}]}\n'
    )
    node = check_results.of("n", step("Succeeded", code="0"), log)
    assert node.last_lines == "measuring\ndone"
    assert node.checks == (
        Check("disk", "pass", 12.5, "GiB"),
        Check("clock", "fail", "late", "", "off", "start ntpd"),
        Check("gpu", "skip"),
    )


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"checks": {}}', '{"checks": [1]}', '{"checks": [{"ok": true}]}'])
def test_a_result_file_that_cannot_be_read_is_said_and_changes_no_status(text: str) -> None:
    node = check_results.of("n", step("Succeeded", code="0"), f"opsjob-result: {text}\n")
    assert node.status == "pass"
    assert node.reason.startswith("the result file could not be read")


def written(nodes: list[Node]) -> dict[str, Any]:
    """What is put into the store, and that it can be: strict JSON by its schema, XML twice, all of it UTF-8."""

    def no_number(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    text = document({"name": "p", "image": "i"}, "job", "2026-01-02T03:04:05Z", nodes).encode()
    found: dict[str, Any] = json.loads(text, parse_constant=no_number)
    SCHEMA.validate(found)
    for xml in (junit("job", nodes), matrix("job", nodes)):
        ET.fromstring(xml.encode())  # noqa: S314 - our own text
    return found


@given(st.text(), st.text())
def test_whatever_a_check_writes_there_is_a_line_for_its_node(log: str, result: str) -> None:
    assert written([check_results.of("n", step("Failed", log, "1"), f"{log}\nopsjob-result: {result}")])


@given(
    st.text(st.characters(categories=["Cs", "Cc", "Cn", "Ll"])),
    st.sampled_from(["name", "value", "unit", "reason", "action"]),
)
def test_what_utf_8_cannot_hold_harms_no_report(text: str, field: str) -> None:
    """As JSON spells it: every character by its number, halves of pairs too."""
    escaped = json.dumps({"checks": [{"name": "x", "ok": True, field: f"{text}."}]}, ensure_ascii=True)
    node = check_results.of("n", step("Succeeded", code="0"), f"opsjob-result: {escaped}")
    assert len(node.checks) == 1
    assert written([node])["totals"]["pass"] == 1


def test_half_a_pair_is_replaced_and_the_rest_kept() -> None:
    node = check_results.of(
        "n", step("Succeeded", code="0"), r'opsjob-result: {"checks":[{"name":"x\ud800","ok":true}]}'
    )
    assert written([node])["nodes"][0]["checks"][0]["name"] == "x\ufffd"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e999", "1e999", "9" * 400])
def test_what_is_no_number_of_json_is_a_text(number: str) -> None:
    log = f'opsjob-result: {{"checks":[{{"name":"x","ok":true,"value":{number}}}]}}'
    node = check_results.of("n", step("Succeeded", code="0"), log)
    (check,) = written([node])["nodes"][0]["checks"]
    assert isinstance(check["value"], str)
    assert check["status"] == "pass"


def test_what_json_takes_for_part_of_a_text_does_not_end_a_line() -> None:
    log = 'opsjob-result: {"checks":[{"name":"a\u2028b\u0085c","ok":true}]}\n'
    assert len(check_results.of("n", step("Succeeded", code="0"), log).checks) == 1


def test_only_so_many_checks_are_kept_and_that_is_said() -> None:
    many = json.dumps({"checks": [{"name": str(number), "ok": True} for number in range(201)]})
    node = check_results.of("n", step("Succeeded", code="0"), f"opsjob-result: {many}")
    assert len(node.checks) == 200
    assert node.reason == "only the first 200 of its 201 checks are kept"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_result_of_any_form_is_read_or_refused(result: Any) -> None:
    try:
        found, _ = check_results.checks({"checks": [{"name": "x", "value": result, "reason": result, "ok": result}]})
    except ValueError:
        pytest.fail("its form is right")
    written([Node("n", "pass", checks=found)])


@given(NODES)
def test_the_report_keeps_its_schema_and_its_totals(nodes: list[Node]) -> None:
    report = written(nodes)
    assert sum(report["totals"].values()) == len(nodes)
    assert report["totals"]["fail"] == sum(node["status"] == "fail" for node in report["nodes"])


@given(NODES)
def test_junit_is_xml_and_counts_right(nodes: list[Node]) -> None:
    suites = ET.fromstring(junit("job", nodes))  # noqa: S314 - our own text
    assert len(suites) == len(nodes)
    for suite, node in zip(suites, nodes, strict=True):
        cases = suite.findall("testcase")
        assert len(cases) == int(suite.attrib["tests"]) == 1 + len(node.checks)
        assert len(suite.findall("testcase/failure")) == int(suite.attrib["failures"])
        assert len(suite.findall("testcase/error")) == int(suite.attrib["errors"])


@given(NODES)
def test_the_picture_is_xml_with_a_row_a_node_and_nothing_of_theirs_in_its_markup(nodes: list[Node]) -> None:
    picture = ET.fromstring(matrix("job", nodes))  # noqa: S314 - our own text
    tags = {element.tag.removeprefix("{http://www.w3.org/2000/svg}") for element in picture.iter()}
    assert tags <= {"svg", "rect", "text", "g", "title"}
    cells = picture.findall("{http://www.w3.org/2000/svg}g")
    assert len(cells) == sum(len({"node", *(check.name for check in node.checks)}) for node in nodes)


def test_junit_names_the_case_that_failed() -> None:
    node = Node(
        "gpu-7", "fail", "hot", 1, checks=(Check("ecc", "pass", 0), Check("heat", "fail", 99, "C", "99 C is hot"))
    )
    (suite,) = ET.fromstring(junit("job", [node]))  # noqa: S314 - our own text
    failed = {case.attrib["name"]: fault.attrib["message"] for case in suite for fault in case.findall("failure")}
    assert failed == {"node": "hot", "heat": "99 C is hot"}
    assert {case.attrib["classname"] for case in suite.findall("testcase")} == {"gpu-7"}


def test_a_cell_of_the_picture_says_what_was_found_where() -> None:
    nodes = [
        Node("a", "pass", checks=(Check("ecc", "pass"),)),
        Node("b", "fail", "hot", checks=(Check("heat", "fail", reason="99 C"),)),
    ]
    space = "{http://www.w3.org/2000/svg}"
    cells = {
        cell.findtext(f"{space}title"): cell
        for cell in ET.fromstring(matrix("job", nodes)).findall(f"{space}g")  # noqa: S314
    }
    assert set(cells) == {"a, node: healthy", "a, ecc: healthy", "b, node: unhealthy, hot", "b, heat: unhealthy, 99 C"}
    cell, beside = cells["b, heat: unhealthy, 99 C"], cells["a, ecc: healthy"]
    assert cell.findtext(f"{space}text") == "✗"
    at, beside_at = (one.find(f"{space}rect") for one in (cell, beside))
    assert at is not None
    assert beside_at is not None
    assert at.attrib["fill"] != beside_at.attrib["fill"]
    assert int(at.attrib["x"]) > int(beside_at.attrib["x"]), "another check is another column"
    assert int(at.attrib["y"]) > int(beside_at.attrib["y"]), "another node is another row"


def test_markup_in_a_name_stays_text() -> None:
    nodes = [Node("n", "fail", "<script>alert(1)</script>", checks=(Check("<b>", "fail"),))]
    for text in (junit("j", nodes), matrix("j", nodes)):
        assert "<script" not in text
        assert "<b>" not in text

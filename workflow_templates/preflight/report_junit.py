"""The report as JUnit XML, which CI systems show: one test suite per node, one test case per check."""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from workflow_templates.preflight.check_results import Node, Status
from workflow_templates.preflight.check_text import clean

_ELEMENT: dict[Status, str] = {"fail": "failure", "error": "error", "skip": "skipped"}


def junit(job: str, nodes: Sequence[Node]) -> str:
    suites = "".join(_suite(node) for node in nodes)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name={quoteattr(clean(job))}>\n{suites}</testsuites>\n'


def _suite(node: Node) -> str:
    """A node's own result is a case too: a check may fail without a result file."""
    cases = [_case(node.name, "node", node.status, node.reason, node.seconds)]
    cases += [_case(node.name, check.name, check.status, check.reason) for check in node.checks]
    statuses = [node.status, *(check.status for check in node.checks)]
    failures, errors, skipped = (sum(one == status for one in statuses) for status in ("fail", "error", "skip"))
    counts = f'failures="{failures}" errors="{errors}" skipped="{skipped}"'
    output = f"  <system-out>{escape(clean(node.last_lines))}</system-out>\n" if node.last_lines else ""
    return (
        f' <testsuite name={quoteattr(clean(node.name))} tests="{len(statuses)}" {counts}>\n'
        f"{''.join(cases)}{output} </testsuite>\n"
    )


def _case(node: str, name: str, status: Status, reason: str, seconds: float | None = None) -> str:
    time = f' time="{seconds:g}"' if seconds is not None else ""
    start = f"  <testcase classname={quoteattr(clean(node))} name={quoteattr(clean(name))}{time}"
    if status == "pass":
        return f"{start}/>\n"
    return f"{start}><{_ELEMENT[status]} message={quoteattr(clean(reason))}/></testcase>\n"

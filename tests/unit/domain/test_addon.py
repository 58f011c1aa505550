import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import addon
from service.domain.cluster_objects import AddonTemplate
from service.domain.job import Plan, PlannedNode


def plan(count: int) -> Plan:
    return Plan(tuple(PlannedNode(f"n{index}") for index in range(count)))


def test_parameters_carry_the_nodes_in_the_plans_order() -> None:
    assert json.loads(addon.parameters(plan(3), {})["nodes"]) == ["n0", "n1", "n2"]


@pytest.mark.parametrize(
    ("options", "expected"), [({}, "false"), ({"securityUpgrade": False}, "false"), ({"securityUpgrade": True}, "true")]
)
def test_parameters_say_whether_to_wait_for_idle_nodes(options: dict[str, Any], expected: str) -> None:
    assert addon.parameters(plan(1), options)["security-upgrade"] == expected


@pytest.mark.parametrize(
    ("ratio", "nodes", "expected"),
    [(None, 4, "4"), (Decimal("0.75"), 4, "3"), ("0.07", 100, "7"), (0.07, 100, "7"), (1, 3, "3")],
)
def test_parameters_say_how_many_nodes_must_succeed(ratio: object, nodes: int, expected: str) -> None:
    options = {} if ratio is None else {"availableRatio": ratio}
    assert addon.parameters(plan(nodes), options)["required"] == expected


def test_the_snapshot_says_everything_a_step_needs() -> None:
    template = AddonTemplate(  # noqa: S604  # the field names a shell, nothing is run
        "thp",
        "echo never",
        description="d",
        check="true",
        required=False,
        gpu_vendor="amd",
        shell="/bin/bash",
        timeout_second=5,
    )
    assert json.loads(addon.snapshot([template, AddonTemplate("plain", "id")])) == {
        "templates": [
            {
                "name": "thp",
                "description": "d",
                "script": "echo never",
                "check": "true",
                "required": False,
                "gpuVendor": "amd",
                "shell": "/bin/bash",
                "timeoutSecond": 5,
            },
            {
                "name": "plain",
                "description": "",
                "script": "id",
                "check": None,
                "required": True,
                "gpuVendor": None,
                "shell": "/bin/sh",
                "timeoutSecond": None,
            },
        ]
    }


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=2000))
def test_any_script_comes_back_as_it_was(script: str) -> None:
    written = addon.snapshot([AddonTemplate("t", script)])
    assert json.loads(written.encode().decode())["templates"][0]["script"] == script

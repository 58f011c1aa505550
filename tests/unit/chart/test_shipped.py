"""The custom resource kinds, and the AddonTemplates and the NodeTemplate the chart ships."""

import subprocess
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.unit.chart.rendering import CHART

ADDONS = sorted((CHART / "files" / "addontemplates").glob("*.yaml"))
GPU_NODE = CHART / "files" / "nodetemplates" / "gpu-node.yaml"


def definition(plural: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "crds" / f"{plural}.yaml").read_text())
    return found


def spec_schema(plural: str) -> dict[str, Any]:
    """The schema of spec, which like the apiserver knows no other fields."""
    (version,) = definition(plural)["spec"]["versions"]
    return {**version["schema"]["openAPIV3Schema"]["properties"]["spec"], "additionalProperties": False}


def faults(plural: str, spec: dict[str, Any]) -> list[str]:
    return [str(error) for error in jsonschema_rs.validator_for(spec_schema(plural)).iter_errors(spec)]


@pytest.mark.parametrize(
    "spec",
    [
        {"script": "true"},
        {
            "script": "echo '{{x}}' \"$1\" ü\n",
            "check": "false",
            "required": False,
            "gpuVendor": "amd",
            "timeoutSecond": 1,
        },
        {"script": "print(1)", "shell": "/usr/bin/python3", "description": "…"},
        {"script": "x" * 262_144},
    ],
)
def test_addon_template_may_be(spec: dict[str, Any]) -> None:
    assert faults("addontemplates", spec) == []


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"script": ""},
        {"script": " \n"},
        {"script": "x" * 262_145},
        {"script": "true", "check": ""},
        {"script": "true", "shell": "bash"},
        {"script": "true", "shell": "/bin/bash -e"},
        {"script": "true", "timeoutSecond": 0},
        {"script": "true", "gpuVendor": "NVIDIA Corp"},
        {"script": "true", "required": "no"},
        {"script": "true", "scrpt": "true"},
    ],
)
def test_addon_template_may_not_be(spec: dict[str, Any]) -> None:
    assert faults("addontemplates", spec)


@pytest.mark.parametrize("names", [[], [""], ["Upper"], ["a b"], ["a", 1], ["x"] * 65])
def test_node_template_may_not_list(names: list[Any]) -> None:
    assert faults("nodetemplates", {"addonTemplates": names})


@pytest.mark.parametrize("plural", ["addontemplates", "nodetemplates"])
def test_kubectl_explain_has_a_text_for_every_field(plural: str) -> None:
    spec = spec_schema(plural)
    assert spec["description"]
    assert all(field["description"] for field in spec["properties"].values())


@pytest.mark.parametrize("path", ADDONS, ids=lambda path: path.stem)
def test_shipped_addon_says_what_it_does_and_when_it_is_in_place(path: Path) -> None:
    addon = yaml.safe_load(path.read_text())
    assert addon["metadata"]["name"] == path.stem
    assert faults("addontemplates", addon["spec"]) == []
    assert {"description", "check", "timeoutSecond"} <= addon["spec"].keys()


@pytest.mark.parametrize("path", ADDONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("text", ["script", "check"])
def test_shipped_scripts_are_plain_shell(path: Path, text: str) -> None:
    """Debian's sh knows POSIX and little else."""
    script = yaml.safe_load(path.read_text())["spec"][text]
    done = subprocess.run(["/bin/sh", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_gpu_node_lists_what_is_shipped() -> None:
    names = yaml.safe_load(GPU_NODE.read_text())["spec"]["addonTemplates"]
    assert sorted(names) == [path.stem for path in ADDONS]
    assert faults("nodetemplates", {"addonTemplates": names}) == []

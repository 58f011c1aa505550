"""The chart as helm renders it, for tests: objects by kind and name, or helm's refusal."""

import copy
import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "opsjobs"
SCENARIOS = sorted((CHART / "ci").glob("*.yaml"))
NAMESPACE = "opsjobs"
CONTROLLER = {"controller": "argo:argo"}

Object = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    objects: list[Object]

    def kind(self, kind: str) -> list[Object]:
        return [item for item in self.objects if item["kind"] == kind]

    def one(self, kind: str, name: str = NAMESPACE) -> Object:
        (found,) = (item for item in self.kind(kind) if item["metadata"]["name"] == name)
        return found

    @property
    def service_container(self) -> Object:
        (container,) = self.one("Deployment")["spec"]["template"]["spec"]["containers"]
        found: Object = container
        return found

    @property
    def settings(self) -> dict[str, str]:
        found: dict[str, str] = self.one("ConfigMap")["data"]
        return found


def render(values: Object | Path, chart: Path = CHART, namespace: str = NAMESPACE) -> Rendered:
    # A chart of the test's own may be another one the next time.
    read = _read if chart == CHART else _read.__wrapped__
    return Rendered(copy.deepcopy(read(_text(values), chart, namespace)))


@cache
def _read(values: str, chart: Path, namespace: str) -> list[Object]:
    """Rendered and read once for each set of values: helm takes its time, and so does half a megabyte of YAML."""
    done = _helm(values, chart, namespace)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.load_all(done.stdout, yaml.CSafeLoader) if item]


def refusal(values: Object) -> str:
    """What helm says instead of rendering."""
    done = _helm(_text(values), CHART, NAMESPACE)
    assert done.returncode != 0, f"helm takes {values}"
    return done.stderr


def whole(values: Object) -> Object:
    """The values with what the chart does not install without."""
    return {**values, "argo": CONTROLLER | values.get("argo", {})}


def helm_program() -> str:
    built = ROOT / "build" / "bin" / "helm"
    found = str(built) if built.exists() else shutil.which("helm")
    assert found, "no helm: make up (or make lint) builds it"
    return found


def _text(values: Object | Path) -> str:
    return values.read_text() if isinstance(values, Path) else json.dumps(whole(values))


def _helm(values: str, chart: Path, namespace: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [helm_program(), "template", "opsjobs", chart, "--namespace", namespace, "--values", "-"],
        input=values,
        capture_output=True,
        text=True,
        check=False,
    )

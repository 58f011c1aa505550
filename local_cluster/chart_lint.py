"""Is the chart right? Every scenario of its ci folder is linted, rendered and checked against Kubernetes' own schemas.

The schemas come from the modules the cluster is built from, so that nothing is fetched that is not pinned in a go.sum.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml

from local_cluster.binaries import ARGO_MODULE, built_tool
from local_cluster.cluster_settings import ARGO_VERSION, CHECKOUT, KUBERNETES_VERSION, RELEASE_NAMESPACE, Settings
from local_cluster.stages import Stage, Stages

CHART = CHECKOUT / "charts" / "opsjobs"
TOOLS = ("helm", "kubeconform")
# Of cert-manager, the Gateway API and the Prometheus operator: no module of ours holds their schemas.
UNKNOWN_KINDS = "Certificate,HTTPRoute,PrometheusRule,ServiceMonitor"
#: What kubeconform calls a schema; group without its domain, core kinds without a group.
FILE_NAME = "{{ .ResourceKind }}{{ .KindSuffix }}.json"


def lint(settings: Settings, stages: Stages) -> None:
    """Raise StageError with the tool's words where a scenario is not right."""
    helm, kubeconform = (built_tool(settings.cache, name, stages) for name in TOOLS)
    with stages.stage("Linting the chart") as stage:
        schemas = schema_folder(settings, stage)
        for values in sorted((CHART / "ci").glob("*.yaml")):
            stage.run([helm, "lint", "--strict", CHART, "--namespace", RELEASE_NAMESPACE, "--values", values])
            release: list[str | Path] = [
                "opsjobs",
                CHART,
                "--namespace",
                RELEASE_NAMESPACE,
                "--values",
                values,
                "--include-crds",
            ]
            rendered = stage.run([helm, "template", *release])
            location = f"{schemas}/{FILE_NAME}"
            stage.run(
                [kubeconform, "-strict", "-summary", "-skip", UNKNOWN_KINDS, "-schema-location", location, "-"],
                given=rendered,
            )


def schema_folder(settings: Settings, stage: Stage) -> Path:
    """Write the schemas of Kubernetes and Argo once per version, ours anew; returns where they are."""
    home = settings.cache / "schemas" / f"kubernetes-{KUBERNETES_VERSION}-argo-{ARGO_VERSION}"
    if not home.exists():
        kubernetes = module_folder("kubernetes", f"k8s.io/kubernetes@v{KUBERNETES_VERSION}", stage)
        argo = module_folder("argo", f"{ARGO_MODULE}@v{ARGO_VERSION}", stage) / "manifests/base/crds/full"
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent) as unfinished:
            whole = Path(unfinished) / "whole"
            whole.mkdir()
            write_kubernetes(json.loads((kubernetes / "api/openapi-spec/swagger.json").read_text()), whole)
            write_custom(argo / "argoproj.io_workflowtemplates.yaml", whole)
            whole.chmod(0o755)
            shutil.move(whole, home)
    for definition in (CHART / "crds").glob("*.yaml"):
        write_custom(definition, home)
    return home


def module_folder(name: str, module: str, stage: Stage) -> Path:
    answer = stage.run(["go", "mod", "download", "-json", module], cwd=Path(__file__).parent / "go" / name)
    return Path(json.loads(answer)["Dir"])


def write_kubernetes(swagger: dict[str, Any], folder: Path) -> None:
    """One file of all definitions, and beside it a file per kind that refers into it."""
    definitions = {name: strict(definition) for name, definition in swagger["definitions"].items()}
    definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = {"type": ["string", "integer"]}
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"type": ["string", "number"]}
    (folder / "definitions.json").write_text(json.dumps({"definitions": definitions}))
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            reference = {"$ref": f"definitions.json#/definitions/{name}"}
            (folder / file_name(kind["group"], kind["version"], kind["kind"])).write_text(json.dumps(reference))


def write_custom(definition: Path, folder: Path) -> None:
    """One file per version of a CustomResourceDefinition."""
    spec = yaml.safe_load(definition.read_text())["spec"]
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        (folder / file_name(spec["group"], version["name"], spec["names"]["kind"])).write_text(json.dumps(schema))


def file_name(group: str, version: str, kind: str) -> str:
    parts = [kind, group.partition(".")[0], version] if group else [kind, version]
    return f"{'-'.join(parts).lower()}.json"


def strict(schema: Any) -> Any:
    """The same schema, where an object that lists its fields allows no other: a misspelt field must not pass."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: strict(value) for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string") is True:
        result.pop("type", None)
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") is True
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not open_ended:
        result.setdefault("additionalProperties", False)
    return result

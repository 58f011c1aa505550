"""The tables that tests/e2e/test_rights.py asks the apiserver about say what the chart's roles say."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.chart.rendering import NAMESPACE, ROOT, Rendered, render

pytestmark = pytest.mark.programs

TABLES = sorted((ROOT / "tests" / "e2e" / "rights").glob("*.txt"))
JOBS = "opsjobs-jobs"
PLACES = {
    "jobs": JOBS,
    "checks": "opsjobs-checks",
    "release": NAMESPACE,
    "elsewhere": "kube-public",
    "default": "default",
    "kube-node-lease": "kube-node-lease",
}


@pytest.fixture(scope="module")
def local() -> Rendered:
    return render(ROOT / "local_cluster" / "values.yaml")


def rules(chart: Rendered, account: str, namespace: str) -> list[dict[str, Any]]:
    """In the order in which Kubernetes reads them: what holds everywhere comes first."""
    found = []
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for binding in chart.kind(kind):
            where = binding["metadata"].get("namespace", NAMESPACE)
            subjects = {(subject["namespace"], subject["name"]) for subject in binding["subjects"]}
            if (home(account), account) in subjects and (kind == "ClusterRoleBinding" or where == namespace):
                role = binding["roleRef"]
                found += [
                    rule
                    for item in chart.kind(role["kind"])
                    if item["metadata"]["name"] == role["name"]
                    and (role["kind"] == "ClusterRole" or item["metadata"].get("namespace", NAMESPACE) == where)
                    for rule in item["rules"]
                ]
    return found


def home(account: str) -> str:
    return JOBS if account.startswith("opsjob-") else NAMESPACE


def table(chart: Rendered, account: str) -> str:
    """As tests/e2e/test_rights.py writes it."""
    text = ""
    for place, namespace in PLACES.items():
        verbs: dict[str, list[str]] = {}
        for rule in rules(chart, account, namespace):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    name, slash, rest = resource.partition("/")
                    full = f"{name}.{group}{slash}{rest}" if group else resource
                    if names := rule.get("resourceNames"):
                        full += f" [{' '.join(names)}]"
                    known = verbs.setdefault(full, [])
                    known += [verb for verb in rule["verbs"] if verb not in known]
        text += f"# {place}\n" + "".join(
            f"{line}\n" for line in sorted(f"{n} [{' '.join(v)}]" for n, v in verbs.items())
        )
    return text


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.stem)
def test_a_table_says_what_the_chart_grants(local: Rendered, file: Path) -> None:
    assert table(local, file.stem) == file.read_text()


def test_every_account_of_the_chart_has_a_table(local: Rendered) -> None:
    accounts = {item["metadata"]["name"] for item in local.kind("ServiceAccount")}
    assert accounts == {file.stem for file in TABLES}

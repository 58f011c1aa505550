"""What every ServiceAccount of the release may do, asked of the apiserver, against a table that is read in a review.

`RIGHTS_WRITE=1 pytest tests/e2e/test_rights.py` writes the tables anew.
"""

import os
import re
from pathlib import Path

import pytest

from tests.e2e.live import Cluster

TABLES = Path(__file__).parent / "rights"
ACCOUNTS = (
    "opsjobs",
    "opsjobs-release",
    "opsjob-addon",
    "opsjob-preflight",
    "opsjob-check",
    "opsjob-dumplog",
    "opsjob-dumplog-node",
    "opsjob-reboot",
    "opsjob-exportimage",
)
#: What Kubernetes lets everybody do who is known to it (system:basic-user, system:discovery and the like).
EVERYBODYS = re.compile(r"selfsubject|nonresourceurls|clustertrustbundles|^\s*\[/|^Resources")


def rights(cluster: Cluster, account: str, namespace: str) -> list[str]:
    """One line a rule, `resource [names] verbs`, sorted; without what everybody may."""
    home = cluster.jobs if account.startswith("opsjob-") else cluster.facts["namespace"]
    who = f"--as=system:serviceaccount:{home}:{account}"
    groups = [f"--as-group={group}" for group in ("system:serviceaccounts", "system:authenticated")]
    listed = cluster.kubectl("auth", "can-i", "--list", who, *groups, "-n", namespace).splitlines()
    rules = [re.sub(r"\s+", " ", line).strip() for line in listed if not EVERYBODYS.search(line)]
    return sorted(re.sub(r"( \[\])+ ", " ", rule) for rule in rules if rule)


def table(cluster: Cluster, account: str) -> str:
    """In the jobs' namespace, the release's, one that has nothing to do with either, and two of Kubernetes'."""
    places = {
        "jobs": cluster.jobs,
        "checks": cluster.checks,
        "release": cluster.facts["namespace"],
        "elsewhere": "kube-public",
        "default": "default",
        "kube-node-lease": "kube-node-lease",
    }
    return "".join(
        f"# {place}\n" + "".join(f"{rule}\n" for rule in rights(cluster, account, namespace))
        for place, namespace in places.items()
    )


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_may_do_what_its_table_says_and_nothing_else(cluster: Cluster, account: str) -> None:
    home = cluster.jobs if account.startswith("opsjob-") else cluster.facts["namespace"]
    file = TABLES / f"{account}.txt"
    if cluster.get("serviceaccount", account, "-n", home) is None:
        assert not file.exists(), f"{account} has a table and is not installed"
        return
    found = table(cluster, account)
    if os.environ.get("RIGHTS_WRITE"):
        file.write_text(found)
    assert file.exists(), f"{account} is new: write its table and read it"
    assert found == file.read_text()


def test_there_is_no_other_account(cluster: Cluster) -> None:
    """Of the release, in either of its namespaces; tests and the first job make accounts of their own."""
    found = {
        item["metadata"]["name"]
        for namespace in (cluster.jobs, cluster.facts["namespace"])
        for item in cluster.items("serviceaccounts", "-n", namespace, "-l", "app.kubernetes.io/part-of=opsjobs")
    }
    assert found == {account for account in ACCOUNTS if (TABLES / f"{account}.txt").exists()}


@pytest.mark.parametrize("file", sorted(TABLES.glob("*.txt")), ids=lambda file: file.stem)
def test_no_table_holds_what_would_be_everything(file: Path) -> None:
    text = file.read_text()
    for rule in text.splitlines():
        resource, _, verbs = rule.partition(" ")
        assert "*" not in rule
        assert "escalate" not in verbs
        assert "impersonate" not in verbs
        if resource == "pods" and file.stem == "opsjobs":
            assert "create" not in verbs
            continue  # what it may patch of them, admission says (test_admission.py)
        if resource == "pods" and file.stem == "opsjob-check":
            assert "patch" not in verbs
            continue  # where it may make them, and which, admission says too
        if resource in ("pods", "workflowtemplates.argoproj.io", "roles.rbac.authorization.k8s.io", "pods/exec"):
            assert not {"create", "update", "patch"} & set(re.findall(r"\w+", verbs))

"""The chart as it is installed on the cluster."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.chart.rendering import NAMESPACE, ROOT

pytestmark = pytest.mark.e2e

SERVICE = "system:serviceaccount:opsjobs:opsjobs"
ADDON_STEPS = "system:serviceaccount:opsjobs-jobs:opsjob-addon"


def run(program: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    facts = json.loads((ROOT / "build" / "cluster.json").read_text())
    return subprocess.run(
        [str(Path(facts["bin"]) / program), *arguments],
        input=given,
        env={**os.environ, "KUBECONFIG": facts["kubeconfig"]},
        capture_output=True,
        text=True,
        check=False,
    )


def kubectl(*arguments: str, given: str = "") -> str:
    done = run("kubectl", *arguments, given=given)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_helm_test_lets_a_token_in_and_nobody_else() -> None:
    done = run("helm", "test", NAMESPACE, "--namespace", NAMESPACE, "--timeout", "2m")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Phase:          Succeeded" in done.stdout


def test_a_second_installation_in_the_cluster_is_refused() -> None:
    """Its jobs would lock nodes in another namespace: two would work on one node."""
    elsewhere = ("another", str(ROOT / "charts" / "opsjobs"), "--namespace", "elsewhere", "--dry-run=server")
    done = run("helm", "install", *elsewhere, "--set", "argo.controller=argo:argo")
    assert done.returncode != 0
    assert f"installed in this cluster already: release {NAMESPACE} in namespace {NAMESPACE}" in done.stderr


def test_the_services_namespace_can_be_held_to_restricted_pods() -> None:
    done = run(
        "kubectl",
        *("label", "namespace", NAMESPACE, "--dry-run=server", "--overwrite"),
        "pod-security.kubernetes.io/enforce=restricted",
    )
    assert done.returncode == 0, done.stderr
    assert "violate" not in done.stderr


@pytest.mark.parametrize(
    ("who", "what", "where"),
    [
        (SERVICE, "create workflows.argoproj.io", "opsjobs-jobs"),
        (SERVICE, "list nodes", "default"),
        (SERVICE, "create tokenreviews.authentication.k8s.io", "default"),
        (SERVICE, "update leases.coordination.k8s.io", "opsjobs"),
        (ADDON_STEPS, "patch nodes", "default"),
        (ADDON_STEPS, "create leases.coordination.k8s.io", "opsjobs-jobs"),
        (ADDON_STEPS, "list pods", "kube-system"),
    ],
)
def test_may(who: str, what: str, where: str) -> None:
    assert can_i(who, what, where) == "yes"


@pytest.mark.parametrize(
    ("who", "what", "where"),
    [
        (SERVICE, "get secrets", "opsjobs"),
        (SERVICE, "create pods", "opsjobs-jobs"),
        (SERVICE, "create pods", "opsjobs"),
        (SERVICE, "create workflows.argoproj.io", "default"),
        (SERVICE, "update workflowtemplates.argoproj.io", "opsjobs-jobs"),
        (SERVICE, "delete nodes", "default"),
        (SERVICE, "update addontemplates.opsjob.io", "default"),
        (ADDON_STEPS, "get secrets", "opsjobs-jobs"),
        (ADDON_STEPS, "create pods", "opsjobs-jobs"),
        (ADDON_STEPS, "patch workflows.argoproj.io", "opsjobs-jobs"),
        (ADDON_STEPS, "delete nodes", "default"),
        ("system:serviceaccount:opsjobs:default", "list nodes", "default"),
    ],
)
def test_may_not(who: str, what: str, where: str) -> None:
    assert can_i(who, what, where) == "no"


def can_i(who: str, what: str, where: str) -> str:
    return run("kubectl", "auth", "can-i", *what.split(), "--namespace", where, "--as", who).stdout.strip()


def test_kubectl_explains_every_field_of_our_kinds() -> None:
    explained = kubectl("explain", "addontemplate.spec")
    for field in ("script", "check", "required", "gpuVendor", "shell", "timeoutSecond", "description"):
        assert f"  {field}\t" in explained
    assert "<no description>" not in explained
    assert "in this order" in kubectl("explain", "nodetemplate.spec.addonTemplates")


def test_a_listing_shows_what_an_addon_is_for() -> None:
    header, *rows = kubectl("get", "addontemplates").splitlines()
    assert header.split() == ["NAME", "DESCRIPTION", "REQUIRED", "GPU", "AGE"]
    assert any(row.startswith("disable-os-upgrade ") for row in rows)
    assert "sysctl-training" in kubectl("get", "nodetemplates")


def addon(spec: dict[str, Any]) -> str:
    metadata = {"name": "e2e-chart"}
    return json.dumps({"apiVersion": "opsjob.io/v1alpha1", "kind": "AddonTemplate", "metadata": metadata, "spec": spec})


def test_the_apiserver_fills_in_what_an_addon_leaves_out() -> None:
    answered = kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", given=addon({"script": "true"}))
    assert json.loads(answered)["spec"] == {"script": "true", "required": True, "shell": "/bin/sh"}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"script": " "}, "spec.script"),
        ({"script": "true", "shell": "bash"}, "spec.shell"),
        ({"script": "true", "timeoutSecond": 0}, "spec.timeoutSecond"),
        ({"script": "true", "gpu": "amd"}, "spec.gpu"),
    ],
)
def test_the_apiserver_refuses_an_addon_that_cannot_be_right(spec: dict[str, Any], field: str) -> None:
    done = run("kubectl", "create", "--dry-run=server", "--validate=strict", "-f", "-", given=addon(spec))
    assert done.returncode != 0
    assert field in done.stderr

"""What the admission policies of the chart say, value by value; test_admission.py of e2e asks them."""

import json
import re

import pytest

from tests.unit.chart.rendering import Object, refusal, render


def admission(values: Object) -> dict[str, list[str]]:
    """Policy → what it demands."""
    policies = render(values).kind("ValidatingAdmissionPolicy")
    return {
        policy["metadata"]["name"]: [rule["expression"] for rule in policy["spec"]["validations"]]
        for policy in policies
    }


def test_every_admission_policy_is_bound_and_denies() -> None:
    in_the_jobs_namespace = ("workflows", "pods", "pod-changes", "pod-entry", "templates", "secrets")
    rendered = render({"argo": {"controller": "argo:argo"}})
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in rendered.kind("ValidatingAdmissionPolicy")}
    bindings = {one["spec"]["policyName"]: one["spec"] for one in rendered.kind("ValidatingAdmissionPolicyBinding")}
    assert set(policies) == set(bindings) == {f"opsjobs-{of}" for of in (*in_the_jobs_namespace, "nodes")}
    assert all(policy["failurePolicy"] == "Fail" for policy in policies.values())
    assert all(binding["validationActions"] == ["Deny"] for binding in bindings.values())
    for of in in_the_jobs_namespace:
        labels = bindings[f"opsjobs-{of}"]["matchResources"]["namespaceSelector"]["matchLabels"]
        assert labels == {"kubernetes.io/metadata.name": "opsjobs-jobs"}


@pytest.mark.parametrize(
    ("image", "runs"),
    [
        ("registry.example.com/ops/opsjobs:0.1.0", True),
        ("registry.example.com/ops/opsjobs", True),
        (f"registry.example.com/ops/opsjobs@sha256:{'a' * 64}", True),
        (f"registry.example.com/ops/opsjobs:1@sha256:{'a' * 64}", True),
        ("mirror.example.com/argoproj/argoexec:v4.0.7", True),
        ("quay.io/argoproj/argoexec:v4.0.7", False),
        ("registry.example.com/ops/opsjobs:5000/evil", False),
        ("registry.example.com/ops/opsjobs-evil:1", False),
        ("evil.example.com/registry.example.com/ops/opsjobs:1", False),
        ("registryXexample.com/ops/opsjobs:1", False),
        ("", False),
    ],
)
def test_steps_run_images_of_the_repositories_that_the_chart_names(image: str, *, runs: bool) -> None:
    values = {
        "image": {"repository": "registry.example.com/ops/opsjobs"},
        "admission": {"stepImages": ["mirror.example.com/argoproj/argoexec"]},
    }
    (rule,) = (rule for rule in admission(values)["opsjobs-pods"] if "container.?image" in rule)
    pattern = json.loads(rule[rule.index("matches(") + len("matches(") : rule.rindex('")') + 1])
    assert (re.fullmatch(pattern, image) is not None) == runs


def test_admission_can_be_left_out() -> None:
    assert admission({"admission": {"enabled": False}}) == {}


def test_who_starts_pods_is_checked_where_it_is_known() -> None:
    assert (
        'request.userInfo.username == "system:serviceaccount:argo:argo"'
        in admission({"argo": {"controller": "argo:argo"}})["opsjobs-pods"]
    )
    unknown = admission({"argo": {"controller": "", "controllerUnknown": True}})
    assert not [rule for rule in unknown["opsjobs-pods"] if "username" in rule]
    (changes,) = (rule for rule in unknown["opsjobs-workflows"] if "variables.changed" in rule)
    assert changes.startswith('!(request.userInfo.username.startsWith("system:serviceaccount:opsjobs:")')


def test_the_chart_asks_who_argos_controller_is() -> None:
    said = refusal({"argo": {"controller": ""}})
    assert "argo.controller" in said
    assert "controllerUnknown" in said
    assert render({"argo": {"controller": ""}, "admission": {"enabled": False}}).objects


def test_a_controller_for_one_namespace_runs_in_another_than_the_steps() -> None:
    """Its own pods would not be admitted there; where it is told --managed-namespace they need not be."""
    assert "--managed-namespace" in refusal({"argo": {"controller": "opsjobs-jobs:argo"}})
    rules = admission({"argo": {"controller": "argo-of-jobs:argo"}})["opsjobs-pods"]
    assert 'request.userInfo.username == "system:serviceaccount:argo-of-jobs:argo"' in rules


@pytest.mark.parametrize(("writable", "below"), [(False, True), (True, False)])
def test_what_a_check_may_write_to_is_mounted_exactly(*, writable: bool, below: bool) -> None:
    rules = admission({"preflight": {"hostPaths": ["/scratch"], "hostPathsWritable": writable}})["opsjobs-pods"]
    (mounts,) = (rule for rule in rules if "hostPath.path" in rule and "/scratch" in rule)
    assert ('startsWith(allowed + "/")' in mounts) is below

"""What the admission policies of the chart say, value by value; test_admission.py of e2e asks them."""

import json
import re

import pytest

from tests.unit.chart.rendering import Object, refusal, render
from workflow_templates.protocol import pod_reasons

pytestmark = pytest.mark.programs


def admission(values: Object) -> dict[str, list[str]]:
    """Policy → what it demands."""
    policies = render(values).kind("ValidatingAdmissionPolicy")
    return {
        policy["metadata"]["name"]: [rule["expression"] for rule in policy["spec"]["validations"]]
        for policy in policies
    }


DEFAULT_CONTEXT = ("allowPrivilegeEscalation", "capabilities", "seccompProfile")
IN_THE_JOBS_NAMESPACE = (
    "workflows",
    "finished-workflows",
    "templates",
    "pods",
    "pod-changes",
    "pod-bindings",
    "pod-entry",
    "results",
    "locks",
    "freeze",
)
AMONG_CHECKS = ("check-pods", "check-changes", "check-entry", "check-deletions")
EVERYWHERE = ("nodes", "secrets")


def test_every_admission_policy_is_bound_and_denies() -> None:
    rendered = render({})
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in rendered.kind("ValidatingAdmissionPolicy")}
    bindings = {one["spec"]["policyName"]: one["spec"] for one in rendered.kind("ValidatingAdmissionPolicyBinding")}
    of_all = (*IN_THE_JOBS_NAMESPACE, *AMONG_CHECKS, *EVERYWHERE)
    assert set(policies) == set(bindings) == {f"opsjobs-{of}" for of in of_all}
    assert all(policy["failurePolicy"] == "Fail" for policy in policies.values())
    assert all(binding["validationActions"] == ["Deny"] for binding in bindings.values())
    for namespace, names in (("opsjobs-jobs", IN_THE_JOBS_NAMESPACE), ("opsjobs-checks", AMONG_CHECKS)):
        for of in names:
            labels = bindings[f"opsjobs-{of}"]["matchResources"]["namespaceSelector"]["matchLabels"]
            assert labels == {"kubernetes.io/metadata.name": namespace}


def test_a_finished_workflow_stays_so_for_everybody() -> None:
    """Whoever may break the glass, too."""
    policy = render({}).one("ValidatingAdmissionPolicy", "opsjobs-finished-workflows")
    assert [condition["name"] for condition in policy["spec"]["matchConditions"]] == ["finished"]


def test_the_service_fails_pods_for_the_reasons_that_it_knows() -> None:
    (rule,) = (rule for rule in admission({})["opsjobs-pod-changes"] if "?reason" in rule)
    known = {value for name, value in vars(pod_reasons).items() if name.isupper()}
    assert set(json.loads(re.findall(r"reason[^\[]* in (\[[^]]*\])", rule)[0])) == known


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
    (rule,) = (
        rule for rule in admission(values)["opsjobs-pods"] if "variables.main.all(container, container.image" in rule
    )
    product, executor = (json.loads(text) for text in re.findall(r'matches\(("[^"]*")\)', rule))
    assert (re.fullmatch(product, image) is not None) == runs
    assert (re.fullmatch(executor, image) is not None) == (runs and "argoexec" in image)


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


@pytest.mark.parametrize(
    ("context", "demanded"),
    [
        # Dropping all has once let any be added (issue 16, row 13).
        ({"capabilities": {"drop": ["ALL"]}}, ["name in [])", '["ALL"].all(name']),
        ({"capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}}, ['name in ["NET_RAW"])']),
        ({"privileged": True}, ["context.?privileged == optional.of(true)", 'key in ["privileged","runAsNonRoot"]']),
        ({"runAsUser": 1000}, ["context.?runAsUser == optional.of(1000)"]),
        (
            {"seccompProfile": {"type": "RuntimeDefault"}},
            ['context.?seccompProfile.?type.orValue("") == "RuntimeDefault"'],
        ),
        ({}, ['key in ["runAsNonRoot"]']),
    ],
)
def test_a_check_asks_no_more_than_the_values_give(context: Object, demanded: list[str]) -> None:
    # Helm merges a map with the default: only null takes a key away.
    values = {"preflight": {"securityContext": dict.fromkeys(DEFAULT_CONTEXT) | context}}
    (rule,) = (rule for rule in admission(values)["opsjobs-check-pods"] if rule.startswith("variables.context.all("))
    for text in demanded:
        assert text in rule


@pytest.mark.parametrize("writable", [False, True])
def test_below_a_host_directory_only_reading_is_admitted(*, writable: bool) -> None:
    rules = admission({"preflight": {"hostPaths": ["/scratch"], "hostPathsWritable": writable}})["opsjobs-check-pods"]
    (mounts,) = (rule for rule in rules if "subPathExpr" in rule)
    assert ("hostDirectories && false" in mounts) is writable
    assert bool([rule for rule in rules if "readOnly" in rule and "subPathExpr" not in rule]) is not writable
    (paths,) = (rule for rule in rules if "hostPath.path" in rule)
    assert 'hostPath.path in ["/scratch"]' in paths


def test_images_of_checks_are_those_that_the_values_name() -> None:
    named = {"preflight": {"images": ["registry.example.com/tools/", "example.com/check"]}}
    (rule,) = (rule for rule in admission(named)["opsjobs-check-pods"] if "container.image" in rule)
    pattern = json.loads(rule[rule.index("matches(") + len("matches(") : rule.rindex('")') + 1])
    for image in ("registry.example.com/tools/a/b:1", "example.com/check", f"example.com/check@sha256:{'a' * 64}"):
        assert re.fullmatch(pattern, image), image
    for image in (
        "registry.example.com/tools/",
        "registry.example.com/other/a",
        "example.com/checks",
        "evil/example.com/check",
    ):
        assert not re.fullmatch(pattern, image), image
    assert not [rule for rule in admission({})["opsjobs-check-pods"] if "container.image" in rule]

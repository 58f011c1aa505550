"""dumplog in the chart: whether it collects nodes' own logs is one value, and without it nothing is privileged."""

import json

import pytest

from tests.unit.chart.rendering import Object, Rendered, refusal, render

pytestmark = pytest.mark.programs

STORE: Object = {"objectStore": {"endpoint": "https://s3", "bucket": "ops", "existingSecret": "keys"}}
EXECUTORS = {("workflowtaskresults", "create"), ("workflowtaskresults", "patch")}


def with_nodes(**values: object) -> Object:
    return {**STORE, "dumplog": {"nodeLogs": {"enabled": True, **values}}}


def template(rendered: Rendered) -> Object:
    """The one that the service is told of."""
    (found,) = (
        item for item in rendered.kind("WorkflowTemplate") if item["metadata"]["labels"]["opsjob.io/type"] == "dumplog"
    )
    assert json.loads(rendered.settings["OPSJOBS_TEMPLATES"])["dumplog"] == found["metadata"]["name"]
    return found


def accounts(rendered: Rendered) -> set[str]:
    names = {item["metadata"]["name"] for item in rendered.kind("ServiceAccount")}
    return {name for name in names if "dumplog" in name}


def rights(rendered: Rendered, account: str) -> set[tuple[str, str]]:
    """In the jobs' namespace."""
    rules = rendered.one("Role", account)["rules"]
    return {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


def admitted_pods(rendered: Rendered) -> list[str]:
    rules = rendered.one("ValidatingAdmissionPolicy", "opsjobs-pods")["spec"]["validations"]
    return [rule["expression"] for rule in rules]


def test_without_logs_of_nodes_no_step_is_privileged_and_none_has_an_account_for_it() -> None:
    rendered = render(STORE)
    text = json.dumps(template(rendered))
    assert "privileged" not in text
    assert "hostPID" not in text
    assert accounts(rendered) == {"opsjob-dumplog"}
    assert rights(rendered, "opsjob-dumplog") == EXECUTORS
    assert rendered.settings["OPSJOBS_DUMPLOG_NODE_LOGS"] == "false"
    assert not [rule for rule in admitted_pods(rendered) if "dumplog-node" in rule]


def test_with_them_the_step_that_is_root_on_a_node_has_an_account_that_may_nothing() -> None:
    rendered = render(with_nodes(sinceHours=48, mebibytes=8, waitSeconds=60))
    (node,) = (step for step in template(rendered)["spec"]["templates"] if step["name"] == "node-log")
    assert node["container"]["securityContext"]["privileged"]
    assert node["serviceAccountName"] == "opsjob-dumplog-node"
    assert [mount["name"] for mount in node["container"]["volumeMounts"]] == ["scratch"], "no key of the store"
    assert accounts(rendered) == {"opsjob-dumplog", "opsjob-dumplog-node"}
    assert rights(rendered, "opsjob-dumplog-node") == EXECUTORS
    assert not [item for item in rendered.kind("ClusterRole") if "dumplog-node" in item["metadata"]["name"]]
    assert rights(rendered, "opsjob-dumplog") == {*EXECUTORS, ("pods", "list"), *LOGS}
    names = ("LOGS", "LOG_HOURS", "LOG_MEBIBYTES", "LOG_SECONDS")
    assert [rendered.settings[f"OPSJOBS_DUMPLOG_NODE_{name}"] for name in names] == ["true", "48", "8", "60"]
    assert [rule for rule in admitted_pods(rendered) if "dumplog-node" in rule]


def test_the_step_that_has_the_keys_of_the_store_never_touches_a_host() -> None:
    """Only these accounts may be privileged, and they have no Secret."""
    for values, accounts_of_hosts in ((STORE, ()), (with_nodes(), ("opsjob-dumplog-node",))):
        (rule,) = (rule for rule in admitted_pods(render(values)) if rule.startswith("!variables.onHost ||"))
        expected = json.dumps(["opsjob-addon", "opsjob-reboot", *accounts_of_hosts], separators=(",", ":"))
        assert f"variables.account in {expected}" in rule


LOGS = {("pods", "get"), ("pods/log", "get")}


def of_logs(rendered: Rendered) -> dict[str, set[tuple[str, str]]]:
    """Where the account that archives may read logs, by its roles; "": everywhere."""
    found = {}
    for binding in [*rendered.kind("RoleBinding"), *rendered.kind("ClusterRoleBinding")]:
        if not any(subject["name"] == "opsjob-dumplog" for subject in binding["subjects"]):
            continue
        place = binding["metadata"].get("namespace", "")
        (role,) = (
            item
            for item in rendered.kind(binding["roleRef"]["kind"])
            if item["metadata"]["name"] == binding["roleRef"]["name"] and item["metadata"].get("namespace", "") == place
        )
        rules = {(one, verb) for rule in role["rules"] for one in rule["resources"] for verb in rule["verbs"]}
        if rules & LOGS:
            found[place] = rules & LOGS
    return found


def test_logs_are_read_where_the_values_say_and_everywhere_only_if_they_say_so() -> None:
    assert of_logs(render(STORE)) == {}
    named = {"dumplog": {"namespaces": ["team-a", "team-b"]}}
    assert of_logs(render(STORE | named)) == {"team-a": LOGS, "team-b": LOGS}
    assert of_logs(render(STORE | {"dumplog": {"allNamespaces": True}})) == {"": LOGS}
    assert of_logs(render(with_nodes())) == {"opsjobs-jobs": LOGS}, "what the steps on nodes hand on"


@pytest.mark.parametrize("everywhere", [False, True])
def test_the_service_knows_where_that_is(everywhere: bool) -> None:  # noqa: FBT001 - from the table
    values = {"dumplog": {"namespaces": ["team-a"], "allNamespaces": everywhere}}
    settings = render(STORE | values).settings
    assert json.loads(settings["OPSJOBS_DUMPLOG_NAMESPACES"]) == ["team-a"]
    assert settings["OPSJOBS_DUMPLOG_ALL_NAMESPACES"] == str(everywhere).lower()


def test_without_a_store_nothing_of_it_is_there() -> None:
    rendered = render({"dumplog": {"nodeLogs": {"enabled": True}}})
    assert accounts(rendered) == set()
    assert "dumplog" not in json.loads(rendered.settings["OPSJOBS_TEMPLATES"])


@pytest.mark.parametrize("values", [{"mebibytes": 0}, {"mebibytes": 65}, {"sinceHours": 0}, {"waitSeconds": 1}])
def test_limits_are_checked(values: Object) -> None:
    assert "nodeLogs" in refusal(with_nodes(**values))

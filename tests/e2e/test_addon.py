"""addon in full, on real nodes: batches, ratio, scripts, checks, output."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster_fixtures import Take
from tests.e2e.live import Api, Cluster, inputs, wait_for


def outputs(job: dict[str, Any]) -> dict[str, str]:
    return {output["name"]: output["value"] for output in job["outputs"]}


def nodes_told(cluster: Cluster, job_id: str, reason: str) -> list[str]:
    """The nodes that have an event of that reason of the job."""
    found = [event for event in cluster.items("events", "-n", "default") if job_id in event["metadata"]["name"]]
    return sorted(event["involvedObject"]["name"] for event in found if event["reason"] == reason)


def overlap(spans: list[tuple[float, float]]) -> int:
    """How many of them there were at the same time, at most."""
    return max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)


def test_batch_count_nodes_are_in_work_at_a_time_and_never_more(
    cluster: Cluster, api: Api, addon: Callable[..., str], nodes: Take
) -> None:
    mine = nodes(4)
    for node in mine:
        cluster.on_host(node, "sh", "-c", "rm -f /run/e2e-span*")
    wait = "until test -e /run/e2e-span-go; do sleep 0.2; done"
    template = addon(f"date +%s.%N > /run/e2e-span; {wait}; sleep 1; date +%s.%N >> /run/e2e-span")
    job_id = api.create(name="batches", inputs=inputs(template, nodes=mine), batchCount=2)

    def begun() -> int:
        return sum("e2e-span" in cluster.on_host(node, "ls", "/run") for node in mine)

    wait_for("two nodes to be in work", lambda: begun() == 2)
    for node in mine:
        cluster.on_host(node, "touch", "/run/e2e-span-go")
    assert api.finished(job_id)["phase"] == "Succeeded"
    spans = [tuple(map(float, cluster.on_host(node, "cat", "/run/e2e-span").split())) for node in mine]
    assert overlap([(begin, end) for begin, end in spans]) == 2


@pytest.mark.long  # the ratio is pure; on the cluster make test has one that cannot be met
def test_three_of_four_are_enough_for_a_ratio_of_three_quarters(
    api: Api, addon: Callable[..., str], nodes: Take
) -> None:
    mine = nodes(4)
    template = addon(f'test "$(hostname)" != {mine[1]} || {{ echo no room left >&2; exit 7; }}')
    job = api.finished(api.create(name="ratio", inputs=inputs(template, nodes=mine), batchCount=4, availableRatio=0.75))
    assert job["phase"] == "Succeeded"
    assert job["availableRatio"] == 0.75
    failed = api.node(job, mine[1])
    assert failed["phase"] == "Failed"
    assert template in failed["message"]
    assert "7" in failed["message"]
    assert (outputs(job)["succeeded"], outputs(job)["failed"]) == ("3", "1")
    assert "no room left" in outputs(job)["report"]


def test_when_the_ratio_cannot_be_met_no_further_node_is_touched(
    cluster: Cluster, api: Api, addon: Callable[..., str], nodes: Take
) -> None:
    mine = nodes(4)
    for node in mine:
        cluster.on_host(node, "rm", "-f", "/run/opsjobs-e2e-touched")
    template = addon("touch /run/opsjobs-e2e-touched; exit 3")
    job = api.finished(api.create(name="ratio", inputs=inputs(template, nodes=mine), batchCount=1, availableRatio=0.75))
    assert job["phase"] == "Failed"
    assert job["conditions"][-1]["reason"] == "RatioNotMet"
    assert mine[0] in job["conditions"][-1]["message"]
    assert [node["phase"] for node in job["plan"]["nodes"]] == ["Failed", "Failed", "Skipped", "Skipped"]
    # What comes and goes between two readings of a Workflow has no event: only the last of each node has to be there.
    wait_for("what kubectl describe node shows", lambda: nodes_told(cluster, job["jobId"], "AddonFailed") == mine[:2])
    assert nodes_told(cluster, job["jobId"], "AddonSucceeded") == []
    touched = [cluster.on_host(node, "ls", "/run").count("opsjobs-e2e-touched") for node in mine]
    assert touched == [1, 1, 0, 0]
    assert outputs(job)["skipped"] == "2"


@pytest.mark.long
def test_what_runs_when_the_ratio_is_lost_may_finish(
    cluster: Cluster, api: Api, addon: Callable[..., str], nodes: Take
) -> None:
    slow, second, third, last = mine = nodes(4)
    for node in mine:
        cluster.on_host(node, "sh", "-c", "rm -f /run/e2e-slow* /run/e2e-last")
    template = addon(
        f"""case $(hostname) in
        {slow}) touch /run/e2e-slow; until test -e /run/e2e-slow-go; do sleep 0.2; done ;;
        {second} | {third}) exit 3 ;;
        *) touch /run/e2e-last ;;
        esac"""
    )
    job_id = api.create(name="in-flight", inputs=inputs(template, nodes=mine), batchCount=2, availableRatio=0.75)
    api.until(job_id, "the ratio to be lost", lambda job: api.node(job, last)["phase"] == "Skipped")
    cluster.on_host(slow, "touch", "/run/e2e-slow-go")

    job = api.finished(job_id)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "RatioNotMet")
    assert [node["phase"] for node in job["plan"]["nodes"]] == ["Succeeded", "Failed", "Failed", "Skipped"]
    assert "e2e-last" not in cluster.on_host(last, "ls", "/run")


@pytest.mark.long
def test_a_template_that_is_replaced_in_mid_job_changes_nothing_of_it(
    cluster: Cluster, api: Api, addon: Callable[..., str], two_nodes: list[str]
) -> None:
    first = two_nodes[0]
    for node in two_nodes:
        cluster.on_host(node, "sh", "-c", "rm -f /run/e2e-text*")
    wait = f"test $(hostname) != {first} || until test -e /run/e2e-text-go; do sleep 0.2; done"
    template = addon(f"echo old > /run/e2e-text; {wait}")
    job_id = api.create(name="snapshot", inputs=inputs(template, nodes=two_nodes), batchCount=1)
    wait_for("the first node to begin", lambda: "e2e-text" in cluster.on_host(first, "ls", "/run"))
    cluster.kubectl("delete", "addontemplate", template)
    replaced = {"description": "made by a test", "script": "echo new > /run/e2e-text"}
    cluster.apply(
        {
            "apiVersion": "opsjob.io/v1alpha1",
            "kind": "AddonTemplate",
            "metadata": {"name": template},
            "spec": replaced,
        }
    )
    cluster.on_host(first, "touch", "/run/e2e-text-go")

    assert api.finished(job_id)["phase"] == "Succeeded"
    assert [cluster.on_host(node, "cat", "/run/e2e-text").strip() for node in two_nodes] == ["old", "old"]


def test_a_shipped_addon_is_in_place_the_second_time(api: Api, node: str) -> None:
    """The one that changes nothing of the machine below the node."""
    for _ in range(2):
        job = api.finished(api.create(name="shipped", inputs=inputs("disable-os-upgrade", nodes=[node])))
        assert job["phase"] == "Succeeded"
    (entry,) = json.loads(outputs(job)["report"])
    assert [(done["result"], done["message"]) for done in entry["templates"]] == [("skipped", "already in place")]


def test_a_script_arrives_as_it_was_written(cluster: Cluster, api: Api, addon: Callable[..., str], node: str) -> None:
    text = "{{workflow.name}} {{=1+1}} 'single' \"double\" `tick` $HOME \\n 升级 🚀 %s #{x}"
    padding = "# " + "x" * 100_000 + "\n"
    script = f"{padding}cat > /run/opsjobs-e2e-text <<'OPSJOBS'\n{text}\nOPSJOBS\n"
    job = api.finished(api.create(name="text", inputs=inputs(addon(script), nodes=[node])))
    assert job["phase"] == "Succeeded"
    assert cluster.on_host(node, "cat", "/run/opsjobs-e2e-text") == text + "\n"


@pytest.mark.long  # make test has a shipped addon that is in place
def test_check_skips_what_is_in_place_and_an_optional_failure_is_noted(
    api: Api, addon: Callable[..., str], node: str
) -> None:
    in_place = addon("exit 9", check="exit 0")
    optional = addon("exit 5", required=False)
    other_gpu = addon("exit 6", gpuVendor="nvidia")
    last = addon("echo last")
    job = api.finished(api.create(name="several", inputs=inputs(in_place, optional, other_gpu, last, nodes=[node])))
    assert job["phase"] == "Succeeded"
    (entry,) = [entry for entry in json.loads(outputs(job)["report"]) if entry["node"] == node]
    results = {template["name"]: template["result"] for template in entry["templates"]}
    assert results == {in_place: "skipped", optional: "failed", other_gpu: "skipped", last: "succeeded"}
    assert [template["name"] for template in entry["templates"]] == [in_place, optional, other_gpu, last]


@pytest.mark.long  # the step's own tests end scripts in a second
def test_a_script_over_its_time_is_ended_and_named(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    template = addon("sleep 2999", timeoutSecond=2)
    job = api.finished(api.create(name="slow", inputs=inputs(template, nodes=[node])))
    assert job["phase"] == "Failed"
    assert template in api.node(job, node)["message"]
    assert "sleep 2999" not in cluster.on_host(node, "ps", "-eo", "args")


def test_the_jobs_timeout_is_a_failure_that_cleans_up(
    cluster: Cluster, api: Api, addon: Callable[..., str], idle_node: str
) -> None:
    body: dict[str, Any] = {"timeoutSecond": 40, "securityUpgrade": True}
    job_id = api.create(name="deadline", inputs=inputs(addon("sleep 2998"), nodes=[idle_node]), **body)
    wait_for("the script to begin", lambda: "sleep 2998" in cluster.on_host(idle_node, "ps", "-eo", "args"))
    cluster.assert_cordoned_by(job_id, idle_node)
    job = api.finished(job_id)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Timeout")
    cluster.assert_given_back(job_id, idle_node)
    assert "sleep 2998" not in cluster.on_host(idle_node, "ps", "-eo", "args")


def test_a_node_template_runs_its_templates_in_order(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    first, second = addon("echo 1 > /run/opsjobs-e2e-order"), addon("echo 2 >> /run/opsjobs-e2e-order")
    name = f"list-of-{first}"
    cluster.apply(
        {
            "apiVersion": "opsjob.io/v1alpha1",
            "kind": "NodeTemplate",
            "metadata": {"name": name},
            "spec": {"description": "made by a test", "addonTemplates": [first, second]},
        }
    )
    try:
        where = [{"name": "node.template", "value": name}, {"name": "node", "value": node}]
        job = api.finished(api.create(name="order", inputs=where))
    finally:
        cluster.kubectl("delete", "nodetemplate", name)
    assert job["phase"] == "Succeeded"
    assert cluster.on_host(node, "cat", "/run/opsjobs-e2e-order").split() == ["1", "2"]

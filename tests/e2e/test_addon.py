"""addon in full, on real nodes: batches, ratio, scripts, checks, output."""

import json
from collections.abc import Callable
from typing import Any

from tests.e2e.live import Api, Cluster, inputs


def outputs(job: dict[str, Any]) -> dict[str, str]:
    return {output["name"]: output["value"] for output in job["outputs"]}


def test_no_more_than_batch_count_nodes_are_in_work(cluster: Cluster, api: Api, addon: Callable[..., str]) -> None:
    nodes = cluster.nodes()
    assert len(nodes) >= 4
    job = api.finished(api.create(name="batches", inputs=inputs(addon("sleep 3"), nodes=nodes), batchCount=2))
    assert job["phase"] == "Succeeded"
    spans = [(node["start"], node["end"]) for node in job["plan"]["nodes"]]
    assert all(start and end for start, end in spans)
    for moment, _ in spans:
        assert sum(start <= moment < end for start, end in spans) <= 2


def test_three_of_four_are_enough_for_a_ratio_of_three_quarters(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    nodes = cluster.nodes()[:4]
    template = addon(f'test "$(hostname)" != {nodes[1]} || {{ echo no room left >&2; exit 7; }}')
    job = api.finished(
        api.create(name="ratio", inputs=inputs(template, nodes=nodes), batchCount=4, availableRatio=0.75)
    )
    assert job["phase"] == "Succeeded"
    assert job["availableRatio"] == 0.75
    failed = api.node(job, nodes[1])
    assert failed["phase"] == "Failed"
    assert template in failed["message"]
    assert "7" in failed["message"]
    assert (outputs(job)["succeeded"], outputs(job)["failed"]) == ("3", "1")
    assert "no room left" in outputs(job)["report"]


def test_when_the_ratio_cannot_be_met_no_further_node_is_touched(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    nodes = cluster.nodes()[:4]
    for node in nodes:
        cluster.on_host(node, "rm", "-f", "/run/opsjobs-e2e-touched")
    template = addon("touch /run/opsjobs-e2e-touched; exit 3")
    job = api.finished(
        api.create(name="ratio", inputs=inputs(template, nodes=nodes), batchCount=1, availableRatio=0.75)
    )
    assert job["phase"] == "Failed"
    assert job["conditions"][-1]["reason"] == "RatioNotMet"
    assert nodes[0] in job["conditions"][-1]["message"]
    assert [node["phase"] for node in job["plan"]["nodes"]] == ["Failed", "Failed", "Skipped", "Skipped"]
    touched = [cluster.on_host(node, "ls", "/run").count("opsjobs-e2e-touched") for node in nodes]
    assert touched == [1, 1, 0, 0]
    assert outputs(job)["skipped"] == "2"


def test_a_script_arrives_as_it_was_written(cluster: Cluster, api: Api, addon: Callable[..., str]) -> None:
    node = cluster.nodes()[0]
    text = "{{workflow.name}} {{=1+1}} 'single' \"double\" `tick` $HOME \\n 升级 🚀 %s #{x}"
    padding = "# " + "x" * 100_000 + "\n"
    script = f"{padding}cat > /run/opsjobs-e2e-text <<'OPSJOBS'\n{text}\nOPSJOBS\n"
    job = api.finished(api.create(name="text", inputs=inputs(addon(script), nodes=[node])))
    assert job["phase"] == "Succeeded"
    assert cluster.on_host(node, "cat", "/run/opsjobs-e2e-text") == text + "\n"


def test_check_skips_what_is_in_place_and_an_optional_failure_is_noted(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    node = cluster.nodes()[0]
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


def test_a_script_over_its_time_is_ended_and_named(cluster: Cluster, api: Api, addon: Callable[..., str]) -> None:
    node = cluster.nodes()[0]
    template = addon("sleep 2999", timeoutSecond=2)
    job = api.finished(api.create(name="slow", inputs=inputs(template, nodes=[node])))
    assert job["phase"] == "Failed"
    assert template in api.node(job, node)["message"]
    assert "sleep 2999" not in cluster.on_host(node, "ps", "-eo", "args")


def test_the_jobs_timeout_is_a_failure_that_cleans_up(cluster: Cluster, api: Api, addon: Callable[..., str]) -> None:
    node = cluster.nodes()[0]
    job = api.finished(api.create(name="deadline", inputs=inputs(addon("sleep 2998"), nodes=[node]), timeoutSecond=15))
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Timeout")
    assert cluster.lease_of(node) is None
    assert "sleep 2998" not in cluster.on_host(node, "ps", "-eo", "args")


def test_a_node_template_runs_its_templates_in_order(cluster: Cluster, api: Api, addon: Callable[..., str]) -> None:
    node = cluster.nodes()[0]
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

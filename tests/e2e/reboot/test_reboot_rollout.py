"""Several nodes at a time, as a rollout says (contract: Rollouts)."""

import json
from collections.abc import Iterator

import pytest

from tests.cluster_fixtures import Take
from tests.e2e.live import Api, Cluster, wait_for
from tests.e2e.reboot.conftest import as_they_were
from tests.e2e.reboot.machines import PATIENCE, as_it_was, boot_id, docker, own_boot_id, reboot, report, told
from workflow_templates.protocol import node_state

pytestmark = [pytest.mark.alone, pytest.mark.long]


@pytest.fixture
def four(cluster: Cluster, nodes: Take) -> Iterator[list[str]]:
    """Four workers that hold no pod which may not be evicted."""
    names = nodes(4)

    def may_be_emptied() -> bool:
        pods = cluster.items("pods", "-A", "--field-selector", "status.phase!=Succeeded,status.phase!=Failed")
        lonely = {pod["spec"].get("nodeName") for pod in pods if not pod["metadata"].get("ownerReferences")}
        return lonely.isdisjoint(names)

    with as_they_were(cluster, *names):
        wait_for("four workers that may be emptied", may_be_emptied)
        yield names


def out_of_service(cluster: Cluster, names: list[str]) -> int:
    """How many are NotReady or cordoned at one moment: of one list, so that no node is seen earlier than another."""
    nodes = [node for node in cluster.items("nodes") if node["metadata"]["name"] in names]
    return sum(node_state.is_cordoned(node) or not node_state.is_ready(node) for node in nodes)


def test_four_nodes_reboot_two_at_a_time_and_never_more(cluster: Cluster, api: Api, four: list[str]) -> None:
    before = {name: boot_id(cluster, name) for name in four}
    job_id = reboot(api, *four, rollout={"maxUnavailable": 2})
    most = 0

    def is_over() -> bool:
        nonlocal most
        most = max(most, out_of_service(cluster, four))
        assert most <= 2
        return api.job(job_id)["phase"] in ("Succeeded", "Failed")

    wait_for("the end of the job", is_over, 3 * PATIENCE)
    job = api.job(job_id)
    assert (job["phase"], job["progress"]) == ("Succeeded", "4/4"), json.dumps(job["conditions"])
    assert most == 2
    for name in four:
        entry = report(job)[name]
        assert boot_id(cluster, name) == own_boot_id(cluster, name) == entry["newBootId"]
        assert entry["oldBootId"] == before[name] != entry["newBootId"]
        assert told(cluster, name, job_id) == ["RebootBegun", "Rebooted"]
        assert as_it_was(cluster, name)


def test_a_node_that_does_not_come_back_is_tolerated_and_stays_out_of_service(
    cluster: Cluster, api: Api, four: list[str]
) -> None:
    gone, *others = sorted(four)[:3]
    docker("update", "--restart=no", cluster.facts["containers"][gone])
    before = {name: boot_id(cluster, name) for name in others}
    job_id = reboot(api, gone, *others, rollout={"maxUnavailable": 2, "failureLimit": 1})
    job = api.finished(job_id, 3 * PATIENCE)
    assert job["phase"] == "Succeeded", json.dumps(job["conditions"])
    assert api.node(job, gone)["phase"] == "Failed"
    assert "stays cordoned" in api.node(job, gone)["message"]
    assert all(boot_id(cluster, name) != before[name] for name in others)

"""What a reboot job is handed of the chart's values."""

import json
from dataclasses import replace
from typing import Any

import pytest

from service.domain.cluster_objects import Node
from service.domain.job import JobType, Plan, PlannedNode
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.preparation import Work
from service.jobs.prepare_reboot import MAX_NODES, MAX_ROLLOUT_NODES, TEMPLATE_WITH_ROLLOUT, Reboots, RebootSettings
from service.main import kinds
from service.settings import Settings
from workflow_templates.protocol.rollout import FILE, Rollout

ORDER = Order(name="r", type=JobType.REBOOT, inputs=())


async def work(planned: int, kind: Reboots, rollout: dict[str, Any] | None = None) -> Work:
    names = [f"node-{number:04}" for number in range(planned)]
    selection = Selection(plan=Plan(tuple(map(PlannedNode, names))), nodes=tuple(map(Node, names)))
    options = {} if rollout is None else {"rollout": rollout}
    return await kind.prepare(replace(ORDER, options=options), selection)


def reboots(namespace: str = "opsjobs", **reboot: Any) -> Reboots:
    """As the service puts it together of its settings."""
    settings = Settings(namespace=namespace, reboot=RebootSettings(**reboot))
    kind = kinds(settings, cluster=None, reviews=None)[JobType.REBOOT]  # type: ignore[arg-type]  # not asked for anything
    assert isinstance(kind, Reboots)
    return kind


async def test_values_become_words_that_argo_may_put_into_arguments() -> None:
    prepared = await work(2, reboots(evict_seconds=30, come_back_seconds=90, namespace="ops"))
    assert prepared.parameters == {
        "nodes": '["node-0000", "node-0001"]',
        "evict-seconds": "30",
        "evict-unmanaged": "false",
        "delete-emptydir-data": "true",
        "kept-namespaces": "argo,ops",
        "come-back-seconds": "90",
    }
    assert prepared.faults == ()


async def test_the_command_is_a_file_as_it_was_written() -> None:
    command = "ipmitool '{{x}}' \"$HOME\" && sleep 1"
    prepared = await work(1, reboots(command=command))
    assert prepared.files == {"reboot.sh": f"{command}\n"}
    assert command not in json.dumps(dict(prepared.parameters))


@pytest.mark.parametrize(("planned", "refused"), [(1, False), (MAX_NODES, False), (MAX_NODES + 1, True)])
async def test_more_nodes_than_a_workflow_can_hold_are_refused(planned: int, refused: bool) -> None:  # noqa: FBT001
    faults = (await work(planned, reboots())).faults
    most = f"one job reboots at most {MAX_NODES} one after another, without a rollout"
    assert [fault.message for fault in faults] == ([f"{planned} nodes are selected; {most}"] if refused else [])


@pytest.mark.parametrize(("planned", "refused"), [(MAX_ROLLOUT_NODES, False), (MAX_ROLLOUT_NODES + 1, True)])
async def test_with_a_rollout_more_nodes_fit(planned: int, refused: bool) -> None:  # noqa: FBT001
    prepared = await work(planned, reboots(), {"maxUnavailable": 20})
    assert bool(prepared.faults) is refused


async def test_a_rollout_has_a_template_and_a_file_of_its_own_and_argo_limits_no_pods() -> None:
    wanted = {"maxUnavailable": 2, "phases": [{"nodes": 1, "advance": "manual"}, {}]}
    prepared = await work(4, reboots(), wanted)
    rollout = Rollout.of(prepared.files[FILE])
    assert [len(phase.nodes) for phase in rollout.phases] == [1, 3]
    assert (rollout.at_once, rollout.max_unavailable, rollout.failure_limit) == (2, 2, 0)
    assert prepared.template == TEMPLATE_WITH_ROLLOUT
    assert prepared.parallelism == 0
    assert prepared.parameters.items() >= rollout.parameters.items()
    assert (await work(4, reboots())).template == ""

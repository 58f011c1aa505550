"""What a reboot job is handed of the chart's values."""

import json

import pytest

from service.domain.job import JobType, Plan, PlannedNode
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.preparation import Work
from service.jobs.prepare_reboot import MAX_NODES, Reboots
from service.main import kinds
from service.settings import Settings

ORDER = Order(name="r", type=JobType.REBOOT, inputs=())


async def work(planned: int, kind: Reboots) -> Work:
    plan = Plan(tuple(PlannedNode(f"node-{number}") for number in range(planned)))
    return await kind.prepare(ORDER, Selection(plan=plan))


def reboots(**settings: object) -> Reboots:
    """As the service puts it together of its settings."""
    kind = kinds(Settings(**settings), cluster=None, reviews=None)[JobType.REBOOT]  # type: ignore[arg-type]  # not asked for anything
    assert isinstance(kind, Reboots)
    return kind


async def test_values_become_words_that_argo_may_put_into_arguments() -> None:
    prepared = await work(2, reboots(reboot_evict_seconds=30, reboot_come_back_seconds=90, namespace="ops"))
    assert prepared.parameters == {
        "nodes": '["node-0", "node-1"]',
        "evict-seconds": "30",
        "evict-unmanaged": "false",
        "delete-emptydir-data": "true",
        "kept-namespaces": "argo,ops",
        "come-back-seconds": "90",
    }
    assert prepared.faults == ()


async def test_the_command_is_a_file_as_it_was_written() -> None:
    command = "ipmitool '{{x}}' \"$HOME\" && sleep 1"
    prepared = await work(1, reboots(reboot_command=command))
    assert prepared.files == {"reboot.sh": f"{command}\n"}
    assert command not in json.dumps(dict(prepared.parameters))


@pytest.mark.parametrize(("planned", "refused"), [(1, False), (MAX_NODES, False), (MAX_NODES + 1, True)])
async def test_more_nodes_than_a_workflow_can_hold_are_refused(planned: int, refused: bool) -> None:  # noqa: FBT001
    faults = (await work(planned, reboots())).faults
    assert [fault.message for fault in faults] == (
        [f"{planned} nodes are selected; one job reboots at most {MAX_NODES}, one after another"] if refused else []
    )

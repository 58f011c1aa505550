"""What is asked of the cluster for an order, and what somebody learns who has no right to it."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from service.domain.cluster import Node, Workload, Workspace
from service.domain.faults import RefusedError
from service.domain.job import JobType, Named
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.submit import Limits, Submission
from service.jobs.work import Work


class NotPermittedError(Exception):
    pass


@dataclass
class Cluster:
    asked: list[str] = field(default_factory=list)

    async def nodes(self) -> list[Node]:
        self.asked.append("nodes")
        return [Node("n1", cordoned=True), Node("n2")]

    async def workspace(self, workspace_id: str) -> Workspace:
        return Workspace(workspace_id, workspace_id)

    async def workloads(self, name: str) -> list[Workload]:
        self.asked.append(name)
        return [Workload(name, "ns-a", "team-a", frozenset({"n1"}))]


class Nothing:
    async def prepare(self, _order: Order, _selection: Selection) -> Work:
        return Work(parameters={})


def submission(cluster: Any, **limits: int) -> Submission:
    unused: Any = None
    return Submission(
        records=unused,
        cluster=cluster,
        cluster_id="local",
        workspace_label="opsjob.io/workspace",
        templates={JobType.ADDON: "opsjob-addon-00000000"},
        default_timeout_seconds=0,
        kinds={JobType.ADDON: Nothing()},
        limits=Limits(**limits),
    )


def order(*inputs: str) -> Order:
    named = tuple(Named(*text.split("=", 1)) for text in inputs)
    return Order(name="x", type=JobType.ADDON, inputs=named, options={})


async def nobody(_selection: Selection) -> None:
    raise NotPermittedError


async def anybody(_selection: Selection) -> None:
    pass


async def test_more_workloads_than_allowed_are_refused_before_any_is_looked_for() -> None:
    cluster = Cluster()
    many = order(*(f"workload=w{number}" for number in range(3)))
    with pytest.raises(RefusedError, match="name 3 workloads, a job has at most 2"):
        await submission(cluster, workloads=2).resolve(many, anybody)
    assert cluster.asked == []


async def test_each_workload_is_looked_for_once_however_often_it_is_named() -> None:
    cluster = Cluster()
    with pytest.raises(RefusedError):
        await submission(cluster, workloads=2).resolve(order("workload=a", "workload=b", *["workload=a"] * 9), anybody)
    assert cluster.asked == ["nodes", "a", "b"]


@pytest.mark.parametrize(
    "inputs",
    [("node=n1",), ("workload=train",), ("cluster=local",)],
    ids=["no node is left", "of a workload either", "too many"],
)
async def test_who_may_not_learns_nothing_of_the_nodes(inputs: tuple[str, ...]) -> None:
    with pytest.raises(NotPermittedError):
        await submission(Cluster(), nodes=0).resolve(order(*inputs), nobody)
    with pytest.raises(RefusedError, match=r"cordoned|at most 0"):
        await submission(Cluster(), nodes=0).resolve(order(*inputs), anybody)


async def test_a_name_of_nothing_is_said_before_rights_can_be_asked() -> None:
    with pytest.raises(RefusedError, match="there is no node 'n9'"):
        await submission(Cluster()).resolve(order("node=n9"), nobody)

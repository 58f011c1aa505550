"""GET /api/v1/nodes (contract: What the command line and the console read)."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from service.domain.cluster_objects import Caller, Node, Workspace
from service.domain.job import JobType, NodePhase
from service.domain.node_list import LastJobs, Work
from tests.records_suite.example import NOON
from tests.unit.api.wired import client_of
from tests.unit.api.world import World

URL = "/api/v1/nodes"
WORKSPACE = "opsjob.io/workspace"
NOON_TEXT = "2026-05-01T12:00:00.000Z"
NOTHING = {"jobId": "another job", "type": "", "phase": "", "time": ""}


def work(job_id: str, *, owner: str = "id-bob", workspace: str = "", kind: JobType = JobType.ADDON) -> Work:
    nodes = dict.fromkeys(("gpu-1", "gpu-2"), (NodePhase.SUCCEEDED, NOON))
    return Work(job_id, kind, "local", workspace, owner, nodes)


@dataclass
class Fleet(World):
    """(type, namespace or None) that alice may list."""

    lists: set[tuple[str, str | None]] = field(default_factory=set)
    last: dict[str, LastJobs] = field(default_factory=dict)
    locks: dict[str, str] = field(default_factory=dict)
    known: dict[str, Work] = field(default_factory=dict)

    async def granted(
        self, who: Caller, verb: str, kinds: Iterable[str], namespaces: Iterable[str]
    ) -> frozenset[tuple[str, str | None]]:
        places = [None, *namespaces]
        asked = {(kind, place) for kind in kinds for place in places}
        return frozenset(asked & self.lists) if (who.user_name, verb) == ("alice", "list") else frozenset()

    async def workspaces(self, **_how: bool) -> Mapping[str, Workspace]:
        return {name: Workspace(name, (f"{name}-ns",)) for name in ("team", "other")}

    async def recent_nodes(self) -> Sequence[Node]:
        return self.node_list

    async def node_locks(self) -> Mapping[str, str]:
        return self.locks

    async def last_jobs(self, cluster_id: str, names: Sequence[str]) -> Mapping[str, LastJobs]:
        assert cluster_id == "local"
        return {name: self.last.get(name, LastJobs()) for name in names}

    async def works(self, job_ids: Collection[str], _names: Collection[str]) -> Mapping[str, Work]:
        return {job_id: self.known[job_id] for job_id in job_ids if job_id in self.known}

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        async with client_of(self.app(node_labels=["rack"])) as client:
            yield client


EVERYWHERE: set[tuple[str, str | None]] = {("addon", None)}


def nodes() -> list[Node]:
    return [
        Node("gpu-1", labels={WORKSPACE: "team", "rack": "r1", "secret": "x"}),
        Node("gpu-2", labels={WORKSPACE: "other", "rack": "r2"}, ready=False),
        Node("cpu-1", labels={"rack": "r1"}),
    ]


async def names(fleet: Fleet, **query: Any) -> list[str]:
    async with fleet.client() as client:
        answer = await client.get(URL, params=query)
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


async def test_a_node_with_all_that_is_known_of_it() -> None:
    fleet = Fleet(
        lists=EVERYWHERE,
        node_list=[Node("gpu-1", labels={WORKSPACE: "team", "secret": "x"}, unschedulable=True, worked_on_by="job-1")],
        locks={"gpu-1": "job-1"},
        last={"gpu-1": LastJobs("job-1", "check")},
        known={"job-1": work("job-1"), "check": work("check", owner="id-alice", kind=JobType.PREFLIGHT)},
    )
    async with fleet.client() as client:
        answer = await client.get(URL)
        same = await client.get(URL, headers={"If-None-Match": answer.headers["ETag"]})
    assert answer.json() == {
        "totalCount": 1,
        "items": [
            {
                "name": "gpu-1",
                "workspace": "team",
                "labels": {WORKSPACE: "team"},
                "ready": True,
                "cordoned": True,
                "cordonedBy": "job-1",
                "lockedBy": "job-1",
                "lastPreflight": {"jobId": "check", "type": "preflight", "phase": "Succeeded", "time": NOON_TEXT},
                "lastJob": {"jobId": "job-1", "type": "addon", "phase": "Succeeded", "time": NOON_TEXT},
            }
        ],
    }
    assert same.status_code == 304


async def test_one_of_which_nothing_is_known_says_so() -> None:
    async with Fleet(lists=EVERYWHERE, node_list=[Node("gpu-1")]).client() as client:
        (item,) = (await client.get(URL)).json()["items"]
    names = {"name": "gpu-1", "workspace": "", "labels": {}}
    assert item == {**names, "ready": True, "cordoned": False, "cordonedBy": "", "lockedBy": ""}


@pytest.mark.parametrize(
    ("node", "by"),
    [
        (Node("gpu-1", unschedulable=True, cordoned=True), "a person"),
        (Node("gpu-1", unschedulable=True, left_cordoned_by="left"), "left"),
        (Node("gpu-1", unschedulable=True, worked_on_by="unknown"), "another job"),
        (Node("gpu-1", left_cordoned_by="left"), ""),
    ],
)
async def test_by_whom_it_is_cordoned(node: Node, by: str) -> None:
    async with Fleet(lists=EVERYWHERE, node_list=[node], known={"left": work("left")}).client() as client:
        (item,) = (await client.get(URL)).json()["items"]
    assert item["cordonedBy"] == by


async def test_a_job_that_the_caller_may_not_see_is_another_job() -> None:
    """Of a type, a workspace or a cluster that they may not list, and not theirs."""
    fleet = Fleet(
        lists={("preflight", None), ("addon", "team-ns")},
        node_list=nodes()[:2],
        locks={"gpu-1": "theirs", "gpu-2": "elsewhere"},
        last={"gpu-1": LastJobs("theirs", "theirs"), "gpu-2": LastJobs("teams", "mine")},
        known={
            "theirs": work("theirs", workspace="other"),
            "teams": work("teams", workspace="team"),
            "mine": work("mine", owner="id-alice", kind=JobType.REBOOT),
        },
    )
    async with fleet.client() as client:
        one, two = (await client.get(URL)).json()["items"]
    assert (one["lockedBy"], one["lastJob"], one["lastPreflight"]) == ("another job", NOTHING, NOTHING)
    assert two["lockedBy"] == "another job"
    assert (two["lastJob"]["jobId"], two["lastPreflight"]["jobId"]) == ("teams", "mine")


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        (EVERYWHERE, ["gpu-1", "gpu-2", "cpu-1"]),
        ({("reboot", "team-ns")}, ["gpu-1"]),
        ({("reboot", "elsewhere-ns")}, []),
        (set(), []),
    ],
)
async def test_who_may_list_in_a_workspace_sees_its_nodes(
    lists: set[tuple[str, str | None]], expected: list[str]
) -> None:
    assert await names(Fleet(lists=lists, node_list=nodes())) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"workspace": "team"}, ["gpu-1"]),
        ({"workspace": "unknown"}, []),
        ({"selector": "rack=r1"}, ["gpu-1", "cpu-1"]),
        ({"selector": f"!{WORKSPACE}"}, ["cpu-1"]),
        ({"name": "GPU"}, ["gpu-1", "gpu-2"]),
        ({"limit": "1", "offset": "1"}, ["gpu-2"]),
        ({"limit": "", "offset": "9", "unheard": "of"}, []),
    ],
)
async def test_which_nodes_are_asked_for(query: dict[str, str], expected: list[str]) -> None:
    assert await names(Fleet(lists=EVERYWHERE, node_list=nodes()), **query) == expected


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"limit": "0"}, "from 1 to 1000"),
        ({"limit": "1001"}, "from 1 to 1000"),
        ({"offset": "-1"}, "from 0"),
        ({"workspace": "team\0"}, "NUL"),
        ({"name": "\0"}, "NUL"),
        ({"selector": "rack in"}, "no label selector"),
        ({"selector": "secret=x"}, "no label that is shown"),
    ],
)
async def test_what_cannot_be_asked_is_said(query: dict[str, str], said: str) -> None:
    async with Fleet(lists=EVERYWHERE, node_list=nodes()).client() as client:
        answer = await client.get(URL, params=query)
    assert answer.status_code == 400
    assert said in answer.json()["errorMessage"]
    assert [fault["path"] for fault in answer.json()["errors"]] == list(query)

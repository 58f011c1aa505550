"""Where rights to a workspace's jobs are asked, when somebody else's namespace claims it."""

from typing import Any, cast

import structlog

from service.domain.cluster_objects import Workspace
from service.jobs.workspace_namespaces import WorkspaceNamespaces


class World:
    """A cluster and records."""

    def __init__(self, recorded: str = "", **namespaces: tuple[str, ...]) -> None:
        self.recorded = recorded
        self.known = {key: Workspace(key, names) for key, names in namespaces.items()}

    async def workspaces(self, **_how: bool) -> dict[str, Workspace]:
        return self.known

    async def workspace(self, workspace_id: str) -> Workspace | None:
        return Workspace(workspace_id, ("ns-young",)) if workspace_id == "young" else None

    async def namespace_of(self, _cluster_id: str, _workspace_id: str) -> str:
        return self.recorded

    @property
    def homes(self) -> WorkspaceNamespaces:
        port = cast("Any", self)
        return WorkspaceNamespaces(port, port, "local")


async def test_the_one_namespace_that_has_the_label_is_it_whatever_was_before() -> None:
    world = World("ns-before", a=("ns-a",))
    assert await world.homes.all() == {"a": "ns-a"}
    assert await world.homes.of("a") == "ns-a"
    assert await world.homes.of("young") == "ns-young"
    assert await world.homes.of("nowhere") is None


async def test_of_several_it_is_the_one_on_record() -> None:
    world = World("ns-a", a=("ns-0", "ns-a"), b=("ns-b",))
    assert await world.homes.all() == {"a": "ns-a", "b": "ns-b"}
    assert await world.homes.of("a") == "ns-a"


async def test_of_several_that_are_not_on_record_it_is_none() -> None:
    for recorded in ("", "ns-gone"):
        homes = World(recorded, a=("ns-0", "ns-a")).homes
        assert await homes.all() == {}
        assert await homes.of("a") is None


async def test_the_log_says_it_once_for_the_same_namespaces() -> None:
    world = World("ns-a", a=("ns-0", "ns-a"))
    homes = world.homes
    with structlog.testing.capture_logs() as logs:
        await homes.all()
        await homes.workspaces()
        world.known["a"] = Workspace("a", ("ns-0", "ns-1", "ns-a"))
        await homes.workspaces()
    assert [line["namespaces"] for line in logs] == [["ns-0", "ns-a"], ["ns-0", "ns-1", "ns-a"]]

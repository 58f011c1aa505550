"""GET /api/v1/whoami: each right once, where it is; nothing of what others may do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from service.domain.cluster_objects import Caller, Workspace
from service.domain.job import JobType
from tests.unit.api.wired import client_of
from tests.unit.api.world import World

URL = "/api/v1/whoami"


@dataclass
class Rights(World):
    """(verb, type, namespace or None) that alice has."""

    alices: set[tuple[str, str, str | None]] = field(default_factory=set)

    async def granted(
        self, who: Caller, verb: str, kinds: Iterable[str], namespaces: Iterable[str]
    ) -> frozenset[tuple[str, str | None]]:
        places = [None, *namespaces]
        asked = {(verb, kind, place) for kind in kinds for place in places}
        return frozenset((kind, place) for _, kind, place in asked & self.alices if who.user_name == "alice")

    async def home(self, *_asked: str) -> str:
        return ""

    async def workspaces(self, **_how: bool) -> Mapping[str, Workspace]:
        claimed = Workspace("claimed", ("one", "two"))
        return {name: Workspace(name, (f"{name}-ns",)) for name in ("team-b", "team-a")} | {"claimed": claimed}


async def test_a_caller_sees_their_rights_and_where_they_are() -> None:
    world = Rights(
        alices={
            ("create", JobType.ADDON, None),
            ("get", JobType.REBOOT, "team-a-ns"),
            ("get", JobType.REBOOT, "team-b-ns"),
            ("get", JobType.REBOOT, "somewhere-else"),
        }
    )
    async with client_of(world.app()) as client:
        answer = await client.get(URL)
        again = await client.get(URL, headers={"If-None-Match": answer.headers["ETag"]})
    assert answer.json() == {
        "userId": "id-alice",
        "userName": "alice",
        "groups": [],
        "rights": [
            {"verb": "create", "type": "addon", "cluster": True, "workspaces": []},
            {"verb": "get", "type": "reboot", "cluster": False, "workspaces": ["team-a", "team-b"]},
        ],
    }
    assert again.status_code == 304


async def test_who_has_no_right_is_somebody_all_the_same() -> None:
    async with client_of(Rights().app(), who="bob") as client:
        answer = await client.get(URL)
    assert (answer.status_code, answer.json()["userName"], answer.json()["rights"]) == (200, "bob", [])


async def test_nobody_is_nobody() -> None:
    async with client_of(Rights().app(), who="") as client:
        assert (await client.get(URL)).status_code == 401

"""GET /readyz?verbose says which receivers of notifications are not told everything; without a token it does not."""

from datetime import timedelta
from typing import Any

from service.jobs.notification_queue import Backlog, NotificationState
from tests.records_suite.example import NOON
from tests.unit.api.wired import app_of, client_of
from tests.unit.api.world import World


class Failing(World):
    """Of three receivers one fails, one is gone, and one was gone at an address that it has left."""

    async def backlogs(self, _cluster_id: str) -> dict[str, Backlog]:
        return {"fails": Backlog(7, NOON, 3), "busy": Backlog(1, NOON + timedelta(hours=1), 0)}

    async def gone_addresses(self, _cluster_id: str) -> dict[str, str]:
        return {"gone": "hash-of-gone", "back": "hash of before"}

    def address(self, receiver: str) -> str:
        return f"hash-of-{receiver}"


async def verbose(who: str, receivers: list[str], query: str = "?verbose") -> tuple[int, str]:
    world: Any = Failing()
    state = NotificationState(world, world, receivers, "prod")
    app = app_of(reviews=world, records=world, cluster=world, notification_state=state)
    async with client_of(app, who) as client:
        answer = await client.get(f"/readyz{query}")
        return answer.status_code, answer.text


async def test_a_dead_receiver_is_a_line_and_the_service_is_ready_all_the_same() -> None:
    status, text = await verbose("alice", ["fails", "gone", "back", "busy"])
    assert status == 200
    assert text.splitlines() == [
        "ready",
        "receiver fails: fails; 7 notifications wait, the oldest since 2026-05-01T12:00:00+00:00",
        "receiver gone: it said that it is gone (410); nothing is sent until its URL changes",
    ]


async def test_it_is_one_word_for_who_brings_no_token_and_where_all_is_well() -> None:
    assert await verbose("", ["fails"], query="") == (200, "ready")
    assert (await verbose("", ["fails"]))[0] == 401
    assert await verbose("alice", ["back", "busy"]) == (200, "ready")

"""What receivers are to be told waits in the store, written with the change that it tells of."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.domain.happenings import left_cordoned
from service.domain.job import Job, NodePhase, Phase, Plan, PlannedNode
from service.domain.notification import to_receivers
from service.domain.receiver import Kind, Receiver
from service.jobs import notification_queue
from service.records import notifications
from service.records import store as store_module
from service.records.store import SqlRecords
from tests.records_suite.example import NOON, a_job

RECEIVERS = (Receiver(name="all"), Receiver(name="ends", events=frozenset({Kind.ENDED})))
#: After everything that a test lets happen.
LATER = NOON + timedelta(days=3650)


def to(phase: Phase) -> Any:
    return lambda job: replace(job, phase=phase)


async def told(store: SqlRecords, receiver: str = "all", cluster: str = "prod") -> list[tuple[str, str]]:
    """(job, kind) of all that waits, in its order; each is settled."""
    found = []
    while queued := await store.next_notification(cluster, receiver, LATER):
        found.append((queued.message.job_id, queued.message.kind.value))
        await store.settle_notification(queued.number)
    return found


async def lived(store: SqlRecords, job_id: str, **fields: Any) -> None:
    await store.add(a_job(job_id, **fields))
    for phase in (Phase.RUNNING, Phase.FAILED):
        await store.change(job_id, to(phase))


class TestNotifying:
    @pytest.fixture
    async def telling(self, url: str) -> Any:
        opened = SqlRecords(url, RECEIVERS)
        yield opened
        await opened.close()

    async def test_what_happens_to_a_job_waits_for_who_wants_it_in_order(self, telling: SqlRecords) -> None:
        await lived(telling, "job-1")
        await telling.change("job-1", lambda job: replace(job, workflow_gone=True))
        assert await told(telling) == [("job-1", "created"), ("job-1", "started"), ("job-1", "ended")]
        assert await told(telling, "ends") == [("job-1", "ended")]
        assert await told(telling, "nobody") == []

    async def test_a_change_that_is_not_made_is_not_told(self, telling: SqlRecords) -> None:
        def refuse(_job: Job) -> Job:
            raise ValueError("not now")

        await telling.add(a_job("job-1"))
        with pytest.raises(ValueError, match="not now"):
            await telling.change("job-1", refuse)
        assert await told(telling) == [("job-1", "created")]

    async def test_a_job_goes_on_though_what_happens_to_it_cannot_be_told(
        self, telling: SqlRecords, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_of: object) -> Any:
            raise RuntimeError("a fault of ours")

        monkeypatch.setattr(store_module, "of_change", broken)
        await lived(telling, "job-1")
        found = await telling.get("job-1")
        assert found is not None
        assert found.phase is Phase.FAILED

    async def test_without_receivers_nothing_waits(self, store: SqlRecords) -> None:
        await lived(store, "job-1")
        assert await store.backlogs("prod") == {}

    async def test_a_notification_that_failed_holds_up_its_own_job_and_no_other(self, telling: SqlRecords) -> None:
        await lived(telling, "job-1")
        await lived(telling, "job-2")
        first = await telling.next_notification("prod", "all", LATER)
        assert first is not None
        await telling.postpone_notification(first.number, LATER + timedelta(hours=1))
        assert await told(telling) == [("job-2", "created"), ("job-2", "started"), ("job-2", "ended")]
        again = await telling.next_notification("prod", "all", LATER + timedelta(hours=1))
        assert again is not None
        assert (again.key, again.tries, again.message) == (first.key, 1, first.message)
        backlog = (await telling.backlogs("prod"))["all"]
        assert (backlog.waiting, backlog.tries) == (3, 1)

    async def test_the_same_occasion_is_told_once_also_when_it_was_told_before(self, telling: SqlRecords) -> None:
        job = a_job("job-1", ended=NOON, phase=Phase.FAILED)
        for _ in range(3):
            found = to_receivers(RECEIVERS, left_cordoned("n1"), job, NOON)
            await telling.enqueue("prod", found, NOON)
            await telling.enqueue("prod", to_receivers(RECEIVERS, left_cordoned("n2"), job, NOON), NOON)
        assert await told(telling) == [("job-1", "leftCordoned")] * 2
        await telling.enqueue("prod", to_receivers(RECEIVERS, left_cordoned("n1"), job, NOON), NOON)
        assert await told(telling) == []

    async def test_another_clusters_are_its_own(self, telling: SqlRecords) -> None:
        await telling.add(a_job("job-1", cluster_id="staging"))
        assert await told(telling) == []
        assert await telling.backlogs("prod") == {}
        await telling.drop_notifications("prod", [], LATER)
        assert await told(telling, cluster="staging") == [("job-1", "created")]

    async def test_what_waits_too_long_is_given_up_and_counted(self, telling: SqlRecords) -> None:
        found = to_receivers(RECEIVERS, left_cordoned("n1"), a_job("job-1"), NOON)
        await telling.enqueue("prod", found, NOON)
        names = ["all", "ends"]
        assert await telling.drop_notifications("prod", names, NOON + timedelta(hours=23)) == {}
        assert await telling.drop_notifications("prod", names, NOON + timedelta(hours=25)) == {"all": 1}
        assert await told(telling) == []

    async def test_of_too_many_the_oldest_are_given_up(
        self, telling: SqlRecords, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notifications, "MOST_WAITING", 2)
        for number in range(5):
            await telling.add(a_job(f"job-{number}"))
        assert await telling.drop_notifications("prod", ["all"], NOON) == {"all": 3}
        assert await told(telling) == [("job-3", "created"), ("job-4", "created")]

    async def test_a_receiver_that_is_no_more_leaves_nothing(self, telling: SqlRecords) -> None:
        await telling.add(a_job("job-1"))
        await telling.drop_notifications("prod", ["ends"], NOON)
        assert await told(telling) == []

    async def test_what_was_told_is_forgotten_after_days(self, telling: SqlRecords) -> None:
        for _ in range(2):
            await telling.enqueue("prod", to_receivers(RECEIVERS, left_cordoned("n1"), a_job("job-1"), NOON), NOON)
            assert await told(telling) == [("job-1", "leftCordoned")]
            await telling.drop_notifications("prod", ["all"], NOON + notification_queue.REMEMBERED * 2)

    async def test_who_said_that_they_are_gone_is_known_by_their_address(self, telling: SqlRecords) -> None:
        await telling.note_gone("prod", "all", "a" * 64)
        await telling.note_gone("prod", "all", "b" * 64)
        assert await telling.gone_addresses("prod") == {"all": "b" * 64}
        assert await telling.gone_addresses("staging") == {}

    async def test_names_of_others_are_kept_as_they_are(self, telling: SqlRecords) -> None:
        odd = "\0\x1b<!channel>\u202e"
        nodes = Plan((PlannedNode("n1", NodePhase.RUNNING),))
        await telling.add(a_job("job-1", job_name=odd, plan=nodes))
        queued = await telling.next_notification("prod", "all", LATER)
        assert queued is not None
        assert queued.message.job_name == odd

"""What callers did, in the store: with the change it is about, and never of another cluster."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.domain.audit_line import Action, AuditEntry, AuditLine, AuditQuery, Outcome
from service.domain.job import JobType, Phase
from service.jobs.ports import Quota, QuotaError
from service.records import audit_lines
from service.records.store import SqlRecords
from tests.records_suite.example import NOON, a_job
from tests.records_suite.planned import on


def line(**fields: Any) -> AuditLine:
    plain: dict[str, Any] = {
        "at": NOON,
        "action": Action.STOP,
        "outcome": Outcome.DONE,
        "status": 200,
        "cluster_id": "prod",
        "user_id": "u-1",
        "user_name": "alice",
        "source": "10.0.0.1",
    }
    return AuditLine(**plain | fields)


def asked(**fields: Any) -> AuditQuery:
    plain: dict[str, Any] = {"here": "prod", "since": NOON - timedelta(days=9), "until": NOON + timedelta(days=9)}
    return AuditQuery(**plain | fields)


async def items(store: SqlRecords, **fields: Any) -> list[dict[str, Any]]:
    return [json.loads(item) for item in (await store.audit_page(asked(**fields))).items]


async def users(store: SqlRecords, **fields: Any) -> list[str]:
    return [item["userName"] for item in await items(store, **fields)]


class TestAuditing:
    async def test_a_created_job_and_who_created_it_are_written_together(self, store: SqlRecords) -> None:
        entry = AuditEntry(line(action=Action.CREATE))
        await store.add(on("job-1", "n1", "n2"), entry=entry)
        assert entry.kept
        (found,) = await items(store)
        expected = {"action": "create", "jobId": "job-1", "jobName": "Upgrade", "type": "addon", "nodes": 2}
        assert {name: found[name] for name in expected} == expected

    async def test_no_job_no_line(self, store: SqlRecords) -> None:
        entry = AuditEntry(line(action=Action.CREATE))
        await store.add(a_job("job-1"))
        with pytest.raises(QuotaError):
            await store.add(a_job("job-2"), None, Quota(per_caller=1), entry)
        assert not entry.kept
        assert await items(store) == []

    async def test_a_change_is_written_with_who_made_it_and_no_change_is_not(self, store: SqlRecords) -> None:
        await store.add(a_job("job-1"))
        first, again = AuditEntry(line()), AuditEntry(line())
        for entry in (first, again):
            await store.change("job-1", lambda job: replace(job, phase=Phase.FAILED), entry)
        assert (first.kept, again.kept) == (True, False)
        assert len(await items(store)) == 1

    async def test_a_change_that_is_refused_leaves_no_line(self, store: SqlRecords) -> None:
        def refuse(_job: object) -> Any:
            raise ValueError("not now")

        await store.add(a_job("job-1"))
        entry = AuditEntry(line())
        with pytest.raises(ValueError, match="not now"):
            await store.change("job-1", refuse, entry)
        assert not entry.kept
        assert await items(store) == []

    async def test_filters_narrow_and_add_up(self, store: SqlRecords) -> None:
        await store.add(on("job-1", "n1"))
        lines = [
            line(user_name="Alice%", at=NOON - timedelta(hours=3)).about(on("job-1", "n1")),
            line(user_name="bob", outcome=Outcome.REFUSED, status=403, at=NOON - timedelta(hours=2)),
            line(user_name="carol", action=Action.DELETE, type="reboot", workspace_id="team", job_name="Night ÄÖ"),
        ]
        await store.note(lines)
        assert await users(store) == ["carol", "bob", "Alice%"]
        assert await users(store, descending=False) == ["Alice%", "bob", "carol"]
        assert await users(store, user_name="lice%") == ["Alice%"]
        assert await users(store, user_name="%") == ["Alice%"]
        assert await users(store, job_name="äö") == ["carol"]
        assert await users(store, outcome=Outcome.REFUSED) == ["bob"]
        assert await users(store, action=Action.DELETE, type=JobType.REBOOT, workspace_id="team") == ["carol"]
        assert await users(store, action=Action.DELETE, type=JobType.ADDON) == []
        assert await users(store, job_id="job-1") == ["Alice%"]
        assert await users(store, node="n1") == ["Alice%"]
        assert await users(store, node="n") == []
        assert await users(store, since=NOON - timedelta(hours=2), until=NOON - timedelta(hours=2)) == ["bob"]

    async def test_pages_neither_repeat_nor_skip_lines_of_one_moment(self, store: SqlRecords) -> None:
        await store.note([line(user_name=f"u{number}") for number in range(25)])
        found = [name for offset in range(0, 30, 10) for name in await users(store, offset=offset, limit=10)]
        assert sorted(found) == sorted(f"u{number}" for number in range(25))
        assert (await store.audit_page(asked(offset=99))).total == 25

    async def test_lines_of_another_cluster_are_not_shown_however_they_are_asked_for(self, store: SqlRecords) -> None:
        await store.note([line(cluster_id="staging", user_name="theirs"), line(user_name="ours")])
        assert await users(store) == ["ours"]
        assert await users(store, cluster_id="prod") == ["ours"]
        assert await users(store, cluster_id="staging") == []
        assert await store.drop_audit_lines("prod", NOON + timedelta(days=1)) == 1
        assert await users(store, here="staging") == ["theirs"]

    async def test_texts_that_no_database_holds_are_kept_all_the_same(self, store: SqlRecords) -> None:
        odd = "\0\x1b[2J\ud800\u202e'; --"
        await store.note([line(user_name=odd, user_id=odd, job_id=odd, source=odd, groups=(odd,), workspace_id=odd)])
        (found,) = await items(store, user_name="[2J")
        assert (found["userName"], found["groups"]) == (odd, [odd])

    async def test_old_lines_go_and_of_what_was_not_done_only_the_newest_stay(
        self, store: SqlRecords, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit_lines, "MOST_NOT_DONE", 3)
        old = line(user_name="old", at=NOON - timedelta(days=5))
        refused = [
            line(user_name=f"r{number}", outcome=Outcome.REFUSED, at=NOON + timedelta(minutes=number))
            for number in range(5)
        ]
        await store.note([old, *refused, line(user_name="done")])
        assert await store.drop_audit_lines("prod", NOON - timedelta(days=4)) == 3
        assert await users(store) == ["r4", "r3", "r2", "done"]
        assert await store.drop_audit_lines("prod", NOON - timedelta(days=4)) == 0

"""A list is what plain Python would make of all the jobs, whatever is asked."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain.job import Job, JobType, Phase, Plan, PlannedNode, rfc3339
from service.domain.list_query import ListQuery, SortField, Visible
from service.records import pages
from service.records.store import SqlRecords
from tests.records_suite.example import NOON, a_job, a_query

#: Few of each, so that ties are the rule; what SQL or a comparison could stumble over among them.
NAMES = [
    "alice",
    "ALICE",
    "a_ice",
    "100%",
    "a\\b",
    "o'neil",
    "Straße",
    "STRASSE",
    "Éva",
    "éva",
    "中文",
    "😀",
    "\x00",
    "i̇",
]
PARTS = ["a", "A", "_", "%", "\\", "'", "ss", "ß", "É", "é", "文", "😀", "\x00", "zz", "Alice", "100%", "a_i"]
WORKSPACES = ["", "team-a", "team-b", "team-c"]
MOMENTS = st.integers(-5, 5).map(lambda step: NOON + timedelta(microseconds=500 * step))
#: Around midnights too: between two of them jobs are not counted one by one.
MIDNIGHT = NOON + timedelta(hours=12)
DAYS = st.builds(
    lambda day, tick: MIDNIGHT + timedelta(days=day, milliseconds=tick), st.integers(-3, 2), st.integers(-1, 1)
)
CREATED = st.one_of(MOMENTS, DAYS)
PERHAPS = st.one_of(st.none(), MOMENTS)
OWNERS = ["me", "you"]
NODES = ["n1", "n2", "N1"]
PLANS = st.lists(st.sampled_from(NODES), unique=True).map(lambda names: Plan(tuple(map(PlannedNode, names))))

SORTED_BY: dict[SortField, Callable[[Job], Any]] = {
    SortField.JOB_ID: lambda job: job.job_id,
    SortField.JOB_NAME: lambda job: job.job_name.replace("\x00", "\ufffd"),
    SortField.CLUSTER_ID: lambda job: job.cluster_id,
    SortField.WORKSPACE_ID: lambda job: job.workspace_id,
    SortField.USER_ID: lambda job: job.user_id,
    SortField.USER_NAME: lambda job: job.user_name.replace("\x00", "\ufffd"),
    SortField.TYPE: lambda job: job.type.value,
    SortField.PHASE: lambda job: job.phase.value,
    SortField.CREATION_TIME: lambda job: rfc3339(job.created),
    SortField.START_TIME: lambda job: rfc3339(job.started),
    SortField.END_TIME: lambda job: rfc3339(job.ended),
    SortField.DELETION_TIME: lambda job: rfc3339(job.deletion_time),
    SortField.TIMEOUT_SECOND: lambda job: job.timeout_second,
}


@st.composite
def some_jobs(draw: st.DrawFn) -> list[Job]:
    drawn = draw(
        st.lists(
            st.builds(
                a_job,
                job_name=st.sampled_from(NAMES),
                type=st.sampled_from(JobType),
                cluster_id=st.sampled_from(["prod", "dev"]),
                user_id=st.sampled_from(OWNERS),
                user_name=st.sampled_from(NAMES),
                created=CREATED,
                workspace_id=st.sampled_from(WORKSPACES),
                timeout_second=st.sampled_from([-1, 0, 5, 600]),
                phase=st.sampled_from(Phase),
                started=PERHAPS,
                ended=PERHAPS,
                deletion_time=PERHAPS,
                hidden=st.booleans(),
                plan=PLANS,
            ),
            max_size=30,
        )
    )
    return [replace(job, job_id=f"job-{number * 7919 % 100:02}") for number, job in enumerate(drawn)]


VISIBLE = st.builds(
    Visible,
    st.sampled_from([*OWNERS, "stranger"]),
    st.sampled_from(["prod", "dev"]),
    st.frozensets(st.sampled_from(JobType)),
    st.frozensets(st.tuples(st.sampled_from(JobType), st.sampled_from(WORKSPACES))),
)
QUERIES = st.builds(
    a_query,
    since=st.one_of(MOMENTS, DAYS, st.just(NOON - timedelta(days=365))),
    until=st.one_of(MOMENTS, DAYS, st.just(datetime.max.replace(tzinfo=UTC))),
    visible=st.one_of(st.just(Visible("me", "prod", frozenset(JobType))), VISIBLE),
    offset=st.integers(0, 32),
    limit=st.integers(1, 32),
    sort_by=st.sampled_from(SortField),
    descending=st.booleans(),
    cluster_id=st.sampled_from([None, None, "prod", "no"]),
    workspace_id=st.sampled_from([None, None, *WORKSPACES]),
    user_name=st.one_of(st.none(), st.sampled_from(PARTS)),
    job_name=st.one_of(st.none(), st.sampled_from(PARTS)),
    phase=st.one_of(st.none(), st.sampled_from(Phase)),
    type=st.one_of(st.none(), st.sampled_from(JobType)),
    include_deleted=st.booleans(),
    node=st.sampled_from([None, None, *NODES, "n3"]),
)
WIDE = st.builds(
    a_query,
    sort_by=st.sampled_from(SortField),
    descending=st.booleans(),
    include_deleted=st.booleans(),
    visible=VISIBLE,
)


def matches(job: Job, query: ListQuery) -> bool:
    visible = query.visible
    return (
        rfc3339(query.since) <= rfc3339(job.created) <= rfc3339(query.until)
        and (query.include_deleted or not job.hidden)
        and query.cluster_id in (None, job.cluster_id)
        and query.workspace_id in (None, job.workspace_id)
        and query.phase in (None, job.phase)
        and query.node in (None, *job.plan.names)
        and query.type in (None, job.type)
        and (query.user_name is None or query.user_name.casefold() in job.user_name.casefold())
        and (query.job_name is None or query.job_name.casefold() in job.job_name.casefold())
        and (
            job.type in visible.everywhere
            or (
                job.cluster_id == visible.cluster_id
                and (job.user_id == visible.user_id or (job.type, job.workspace_id) in visible.workspaces)
            )
        )
    )


def expected(jobs: list[Job], query: ListQuery) -> list[str]:
    found = [job for job in jobs if matches(job, query)]
    found.sort(key=lambda job: (SORTED_BY[query.sort_by](job), job.job_id), reverse=query.descending)
    return [job.job_id for job in found]


def ids(items: list[bytes]) -> list[str]:
    return [json.loads(item)["jobId"] for item in items]


async def only(store: SqlRecords, jobs: list[Job]) -> None:
    """Make these the only jobs in the store."""
    for cluster_id in ("prod", "dev"):
        for job_id in await store.unfinished(cluster_id):
            await store.change(job_id, lambda job: replace(job, ended=NOON - timedelta(days=9), workflow_gone=True))
        await store.forget(cluster_id, NOON - timedelta(days=8))
    for job in jobs:
        await store.add(job)


#: One store serves all examples; each begins by emptying it. Two test modules collect the class, on a store each.
examples = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


class TestListing:
    @pytest.mark.slow
    @examples
    @given(some_jobs(), st.lists(QUERIES, min_size=8, max_size=8))
    async def test_every_filter_order_and_page_is_what_python_would_answer(
        self, store: SqlRecords, jobs: list[Job], queries: list[ListQuery]
    ) -> None:
        await only(store, jobs)
        for query in queries:
            wanted = expected(jobs, query)
            for few, some in ((0, 0), (5, 8), (pages.FEW, pages.SOME)):
                with mock.patch.multiple(pages, FEW=few, SOME=some):
                    page = await store.page(query)
                assert page.total == len(wanted)
                assert ids(page.items) == wanted[query.offset : query.offset + query.limit]

    @pytest.mark.slow
    @examples
    @given(some_jobs(), WIDE, st.integers(1, 9))
    async def test_paging_never_repeats_and_never_skips(
        self, store: SqlRecords, jobs: list[Job], query: ListQuery, limit: int
    ) -> None:
        await only(store, jobs)
        total = (await store.page(query)).total
        read = [await store.page(replace(query, offset=at, limit=limit)) for at in range(0, total + limit, limit)]
        assert [job_id for page in read for job_id in ids(page.items)] == expected(jobs, query)
        assert {page.total for page in read} == {total}

    @pytest.mark.parametrize("walked", [True, False], ids=["many", "few"])
    @pytest.mark.parametrize("sort_by", SortField)
    async def test_either_way_of_finding_a_page_finds_the_same(
        self, store: SqlRecords, monkeypatch: pytest.MonkeyPatch, sort_by: SortField, *, walked: bool
    ) -> None:
        monkeypatch.setattr("service.records.pages.FEW", 0 if walked else 1_000)
        jobs = [a_job(f"job-{n:02}", user_name=NAMES[n % 5], timeout_second=n % 3) for n in range(25)]
        await only(store, jobs)
        for offset in (0, 3, 6):
            query = a_query(sort_by=sort_by, user_name="a", offset=offset, limit=4)
            assert ids((await store.page(query)).items) == expected(jobs, query)[offset : offset + 4]

    async def test_an_offset_behind_the_end_answers_the_total_alone(self, store: SqlRecords) -> None:
        await store.add(a_job())
        page = await store.page(a_query(offset=2**62))
        assert (page.total, page.items) == (1, [])

    async def test_a_caller_with_many_workspaces(self, store: SqlRecords) -> None:
        spaces = frozenset((job_type, f"workspace-{n}") for job_type in JobType for n in range(300))
        await store.add(a_job("in-one", workspace_id="workspace-299"))
        await store.add(a_job("in-none", workspace_id="workspace-300"))
        page = await store.page(a_query(visible=Visible("me", "prod", workspaces=spaces)))
        assert (page.total, ids(page.items)) == (1, ["in-one"])

    @pytest.mark.parametrize("few", [0, pages.FEW], ids=["many", "few"])
    async def test_a_members_own_jobs_and_those_of_their_workspaces_are_counted_once(
        self, store: SqlRecords, monkeypatch: pytest.MonkeyPatch, few: int
    ) -> None:
        monkeypatch.setattr(pages, "FEW", few)
        jobs = [
            a_job(f"job-{number:02}", user_id=OWNERS[number % 2], workspace_id=WORKSPACES[number % 4], type=job_type)
            for number, job_type in enumerate([*JobType] * 8)
        ]
        await only(store, jobs)
        seen = frozenset((job_type, "team-a") for job_type in (JobType.ADDON, JobType.PREFLIGHT))
        for query in (a_query(visible=Visible("me", "prod", workspaces=seen)), a_query(visible=Visible("me", "prod"))):
            for asked in (query, replace(query, type=JobType.ADDON), replace(query, include_deleted=True)):
                page = await store.page(asked)
                assert (page.total, ids(page.items)) == (len(expected(jobs, asked)), expected(jobs, asked))

    async def test_the_jobs_of_a_node_in_many_plans_are_counted_without_those_that_are_deleted(
        self, store: SqlRecords, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pages, "FEW", 0)
        plans = [Plan((PlannedNode("n1"),)), Plan((PlannedNode("n2"),)), Plan((PlannedNode("n1"), PlannedNode("n2")))]
        moments = [NOON - timedelta(hours=number // 2) for number in range(12)]
        jobs = [
            a_job(f"job-{number:02}", plan=plans[number % 3], hidden=number % 4 == 0, created=moment)
            for number, moment in enumerate(moments)
        ]
        await only(store, jobs)
        for query in (a_query(node="n1"), a_query(node="n1", since=moments[5], until=moments[2]), a_query(node="n3")):
            for asked in (query, replace(query, include_deleted=True), replace(query, type=JobType.ADDON)):
                page = await store.page(asked)
                assert (page.total, ids(page.items)) == (len(expected(jobs, asked)), expected(jobs, asked))

    async def test_texts_that_would_be_sql_are_texts(self, store: SqlRecords) -> None:
        await store.add(a_job())
        attack = "x' OR 1=1; DROP TABLE jobs; --"
        for field in ("cluster_id", "workspace_id", "user_name", "job_name", "node"):
            assert (await store.page(a_query(**{field: attack}))).total == 0
        assert (await store.page(a_query(visible=Visible(attack, attack, frozenset(), frozenset())))).total == 0
        assert (await store.page(a_query())).total == 1

    async def test_half_a_surrogate_pair_in_a_query_finds_nothing(self, store: SqlRecords) -> None:
        await store.add(a_job())
        assert (await store.page(a_query(user_name="\ud83d"))).total == 0

    @pytest.mark.parametrize("few", [0, pages.FEW], ids=["many", "few"])
    async def test_total_and_items_are_of_one_moment(self, store: SqlRecords, replica: SqlRecords, *, few: int) -> None:
        """The page is made in two statements; another replica writes exactly between them."""
        over = {"ended": NOON, "phase": Phase.FAILED, "workflow_gone": True}
        jobs = [a_job(f"job-{number}", **over) for number in range(4)]
        await only(store, jobs)
        second_half = {0: "_walk", pages.FEW: "_page_of"}[few]
        goes_on = getattr(pages, second_half)

        async def interrupted(*given: Any) -> Any:
            await replica.add(a_job("new"))
            await replica.change("job-1", lambda job: replace(job, hidden=True))
            await replica.change("job-2", lambda job: replace(job, ended=NOON - timedelta(days=9)))
            assert await replica.forget("prod", NOON - timedelta(days=8)) == 1
            return await goes_on(*given)

        query = a_query(user_name="alice", descending=False)
        with mock.patch.object(pages, "FEW", few), mock.patch.object(pages, second_half, interrupted):
            page = await store.page(query)
        assert (page.total, ids(page.items)) == (4, [job.job_id for job in jobs])
        assert ids((await store.page(query)).items) == ["job-0", "job-3", "new"]

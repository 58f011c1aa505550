"""Where a workspace was, as its latest job says."""

from datetime import timedelta

from service.records.store import SqlRecords
from tests.records_suite.example import NOON, a_job


class TestWorkspaceNamespaces:
    async def test_the_latest_job_says_where_its_workspace_was(self, store: SqlRecords) -> None:
        assert await store.namespace_of("prod", "team-a") == ""
        await store.add(a_job("old", workspace_id="team-a", workspace_namespace="ns-old"))
        later = NOON + timedelta(minutes=1)
        await store.add(a_job("new", workspace_id="team-a", workspace_namespace="ns-new", created=later))
        await store.add(a_job("other", workspace_id="team-b", workspace_namespace="ns-b", created=later))
        assert await store.namespace_of("prod", "team-a") == "ns-new"
        assert await store.namespace_of("prod", "team-b") == "ns-b"
        assert await store.namespace_of("prod", "") == ""

    async def test_a_workspace_of_that_name_in_another_cluster_is_another(self, store: SqlRecords) -> None:
        await store.add(a_job(workspace_id="team-a", workspace_namespace="ns-a", cluster_id="test"))
        assert await store.namespace_of("prod", "team-a") == ""

    async def test_a_job_of_an_earlier_release_says_nothing(self, store: SqlRecords) -> None:
        await store.add(a_job(workspace_id="team-a"))
        assert await store.namespace_of("prod", "team-a") == ""

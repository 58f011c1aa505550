"""The contract's Idempotency-Key: the same request twice is one job."""

import asyncio
from datetime import timedelta

import pytest

from service.jobs.ports import Claim, UnavailableError
from service.records.store import SqlRecords
from tests.records_suite.example import NOON, a_job, a_key, a_query

MINUTE = timedelta(minutes=1)


class TestKeys:
    async def test_the_same_request_again_answers_the_same_job(self, store: SqlRecords) -> None:
        assert await store.claim(a_key(), NOON) == Claim()
        await store.add(a_job(), a_key())
        assert await store.claim(a_key(), NOON + timedelta(hours=23)) == Claim(job_id=a_job().job_id)

    async def test_while_the_first_is_in_flight_the_second_is_told_so(self, store: SqlRecords) -> None:
        await store.claim(a_key(), NOON)
        assert await store.claim(a_key(), NOON + timedelta(seconds=59)) == Claim(in_flight=True)

    @pytest.mark.parametrize("done", [True, False])
    async def test_another_body_is_refused(self, store: SqlRecords, *, done: bool) -> None:
        await store.claim(a_key(), NOON)
        if done:
            await store.add(a_job(), a_key())
        assert await store.claim(a_key(fingerprint="0" * 64), NOON) == Claim(other_body=True)

    async def test_a_key_given_back_may_be_claimed_again(self, store: SqlRecords) -> None:
        await store.claim(a_key(), NOON)
        await store.release(a_key())
        assert await store.claim(a_key(fingerprint="0" * 64), NOON) == Claim()

    async def test_a_completed_key_is_not_given_back(self, store: SqlRecords) -> None:
        await store.claim(a_key(), NOON)
        await store.add(a_job(), a_key())
        await store.release(a_key())
        assert await store.claim(a_key(), NOON) == Claim(job_id=a_job().job_id)

    async def test_the_claim_of_a_process_that_died_is_taken_over_after_a_minute(self, store: SqlRecords) -> None:
        await store.claim(a_key(), NOON)
        assert await store.claim(a_key(fingerprint="0" * 64), NOON + MINUTE) == Claim()
        assert await store.claim(a_key(), NOON + MINUTE) == Claim(other_body=True)

    async def test_a_key_is_forgotten_after_a_day(self, store: SqlRecords) -> None:
        await store.claim(a_key(), NOON)
        await store.add(a_job(), a_key())
        assert await store.claim(a_key(fingerprint="0" * 64), NOON + timedelta(hours=24)) == Claim()
        assert await store.get(a_job().job_id) == a_job()

    async def test_keys_of_two_users_are_two_keys(self, store: SqlRecords) -> None:
        await store.claim(a_key("bc", user_id="a"), NOON)
        assert await store.claim(a_key("c", user_id="ab"), NOON) == Claim()
        assert await store.claim(a_key("bc", user_id="b"), NOON) == Claim()

    async def test_of_many_at_once_one_has_it(self, store: SqlRecords, replica: SqlRecords) -> None:
        claims = await asyncio.gather(*((store, replica)[n % 2].claim(a_key(), NOON) for n in range(20)))
        assert sorted(claims, key=str) == sorted([Claim()] + 19 * [Claim(in_flight=True)], key=str)

    async def test_a_key_that_is_given_back_meanwhile_is_free_or_in_flight(
        self, store: SqlRecords, replica: SqlRecords
    ) -> None:
        async def claim_and_release(replica: SqlRecords) -> set[Claim]:
            seen = set()
            for _ in range(25):
                claim = await replica.claim(a_key(), NOON)
                seen.add(claim)
                if claim == Claim():
                    await replica.release(a_key())
            return seen

        seen = await asyncio.gather(*(claim_and_release((store, replica)[n % 2]) for n in range(4)))
        assert set().union(*seen) <= {Claim(), Claim(in_flight=True)}
        assert Claim() in set().union(*seen)

    async def test_of_many_that_take_an_abandoned_claim_over_one_has_it(
        self, store: SqlRecords, replica: SqlRecords
    ) -> None:
        await store.claim(a_key(), NOON)
        claims = await asyncio.gather(*((store, replica)[n % 2].claim(a_key(), NOON + MINUTE) for n in range(20)))
        assert claims.count(Claim()) == 1
        assert claims.count(Claim(in_flight=True)) == 19

    async def test_one_key_never_makes_two_jobs(self, store: SqlRecords, replica: SqlRecords) -> None:
        """The first process slept for a minute, another took its claim over, and now both go on."""
        await store.claim(a_key(), NOON)
        await replica.claim(a_key(), NOON + MINUTE)
        ends = await asyncio.gather(
            store.add(a_job("job-1"), a_key()), replica.add(a_job("job-2"), a_key()), return_exceptions=True
        )
        refused = [end for end in ends if isinstance(end, UnavailableError)]
        assert len(refused) == 1
        assert "send the request again" in str(refused[0])
        assert (await store.page(a_query())).total == 1
        again = await store.claim(a_key(), NOON + MINUTE)
        assert again.job_id is not None
        assert await store.get(again.job_id) is not None

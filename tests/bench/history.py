"""Many jobs for a store, the same in every run: a fleet's month, all of it inside what a list shows by default."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from service.domain.job import Condition, Job, JobType, Named, NodePhase, Phase, Plan, PlannedNode
from service.records.engine import Database
from service.records.rows import to_job_row, to_listing_row
from service.records.tables import jobs, listing

SPAN = timedelta(days=29)
BATCH = 1_000
NODES = 10
#: One job in five hundred is of half the fleet.
_FLEET, _OF_FLEET, _FLEET_EVERY = 2_000, 1_000, 500
#: A node that is in the plan of every job.
EVERYWHERE = "login-1"

_NAMES = ("upgrade-driver", "sysctl", "Kernel", "check-disks", "Reboot rack")
_PHASES = {Phase.PENDING: 1, Phase.RUNNING: 2, Phase.SUCCEEDED: 82, Phase.FAILED: 15}
_TYPES = {
    JobType.ADDON: 50,
    JobType.PREFLIGHT: 25,
    JobType.DUMPLOG: 10,
    JobType.REBOOT: 12,
    JobType.EXPORTIMAGE: 3,
}
_DELETED = 0.01


def history(count: int, until: datetime) -> Iterator[Job]:
    """That many jobs, oldest first, the last one a minute before `until`.

    The Workflow of every one is gone, so that the service that lists them has nothing to do with them.
    """
    chance = random.Random(1)  # noqa: S311 — the same jobs in every run
    step = (SPAN - timedelta(minutes=1)) / count
    for number in range(count):
        yield _job(number, until - SPAN + step * number, chance)


async def fill(url: str, count: int) -> list[str]:
    """Write the history into an empty store; answers some ids all over it."""
    database = Database(url, statement_seconds=300)
    ids = []
    batch: list[Job] = []
    for job in history(count, datetime.now(UTC)):
        batch.append(job)
        if len(batch) == BATCH or job.job_id.endswith(f"-{count - 1}"):
            async with database.writing() as connection:
                await connection.execute(insert(jobs), [to_job_row(one) for one in batch])
                await connection.execute(insert(listing), [to_listing_row(one) for one in batch])
            # Not the middle: there each is a job over the whole fleet.
            ids.append(batch[len(batch) // 3].job_id)
            batch = []
    await database.close()
    return ids


def _job(number: int, created: datetime, chance: random.Random) -> Job:
    name = chance.choice(_NAMES)
    user = chance.randrange(500)
    phase = chance.choices(list(_PHASES), list(_PHASES.values()))[0]
    ended = created + timedelta(seconds=chance.randrange(60, 3000)) if phase.final else None
    started = created + timedelta(seconds=2) if phase is not Phase.PENDING else None
    nodes = [f"gpu-{chance.randrange(_FLEET):04}" for _ in range(NODES)]
    planned = [f"gpu-{one:04}" for one in range(_OF_FLEET)] if number % _FLEET_EVERY == 0 else nodes
    planned = [*planned, EVERYWHERE]
    return Job(
        job_id=f"{name.lower().replace(' ', '-')}-{chance.randrange(36**4):06}-{number}",
        job_name=f"{name} {number % 1000}",
        type=chance.choices(list(_TYPES), list(_TYPES.values()))[0],
        cluster_id="prod-cluster",
        user_id=f"{user:08}-1c1b-4a57-9d6e-5c0f2b7e9a11",
        user_name=f"system:serviceaccount:team-{user % 40}:user-{user}",
        created=created,
        workspace_id=f"prod-cluster-team-{chance.randrange(300)}",
        timeout_second=chance.choice((0, 600, 1800)),
        phase=phase,
        conditions=(
            Condition(Phase.PENDING, "Created", "job created", created),
            Condition(phase, "Succeed", "job finished successfully", ended or created),
        ),
        inputs=tuple(Named("node", node) for node in nodes),
        plan=Plan(tuple(PlannedNode(node, NodePhase.SUCCEEDED, "done", started, ended) for node in planned)),
        started=started,
        ended=ended,
        deletion_time=ended + timedelta(hours=1) if ended else None,
        hidden=chance.random() < _DELETED,
        options={"batchCount": 2, "availableRatio": "1.0"},
        workflow_uid=f"{number:08}-0000-4000-8000-000000000000",
        workflow_gone=True,
    )

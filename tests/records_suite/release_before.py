"""What a replica of the release before does with a record: it writes the two tables that it knows."""

from sqlalchemy import insert

from service.domain.job import Job
from service.records.engine import Database
from service.records.rows import to_job_row, to_listing_row
from service.records.tables import jobs, listing


async def write_as_before(database: Database, job: Job) -> None:
    """Add the record without the service's own store, which also writes what came later."""
    async with database.writing() as connection:
        await connection.execute(insert(jobs).values(to_job_row(job)))
        await connection.execute(insert(listing).values(to_listing_row(job)))

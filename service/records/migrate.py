"""Bring the database to the schema of this version: `python -m service.records.migrate [--url URL] [--wait SECONDS]`.

Safe with several replicas at once: one works, the others wait and find nothing to do. All of it is one transaction.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from service.jobs.ports import UnavailableError
from service.records.addresses import DEFAULT_URL
from service.records.engine import Database

WAIT_SECONDS = 120
PAUSE_SECONDS = 1
#: For one upgrade, and for waiting while another replica does it.
UPGRADE_SECONDS = 600
#: Any number that no other program uses in this database.
ADVISORY_LOCK = 7_307_103_412


async def migrate(url: str, wait_seconds: float = WAIT_SECONDS) -> None:
    """Upgrade to the newest schema, waiting for a database that is still starting.

    Raises:
        UnavailableError: the database did not answer within `wait_seconds`.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return await _upgrade(url)
        except UnavailableError as error:
            if time.monotonic() >= deadline:
                raise
            print(f"waiting for the database: {error}", file=sys.stderr)  # noqa: T201 — this is a command
            await asyncio.sleep(PAUSE_SECONDS)


async def _upgrade(url: str) -> None:
    database = Database(url, UPGRADE_SECONDS)
    try:
        async with database.writing() as connection:
            if database.dialect == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
            await connection.run_sync(upgrade)
    finally:
        await database.close()


def upgrade(connection: Connection, revision: str = "head") -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        # Migrations only add: this release works with what a newer one made, so that an upgrade can be taken back.
        print(f"the database has the newer schema {current}, which is left as it is", file=sys.stderr)  # noqa: T201
        return
    command.upgrade(config, revision)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m service.records.migrate", description=(__doc__ or "").split("\n")[0]
    )
    default = os.environ.get("OPSJOBS_DATABASE_URL", DEFAULT_URL)
    parser.add_argument("--url", default=default, help="default: OPSJOBS_DATABASE_URL")
    parser.add_argument("--wait", type=float, default=WAIT_SECONDS, help="seconds to wait for the database")
    given = parser.parse_args()
    try:
        asyncio.run(migrate(given.url, given.wait))
    except (UnavailableError, ValueError) as error:
        sys.exit(f"migration failed: {error}")


if __name__ == "__main__":
    main()

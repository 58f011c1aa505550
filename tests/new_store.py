"""SQLite stores of the newest schema for tests: migrated once a process, copied for each test."""

from pathlib import Path

from service.records.migrate import migrate

_migrated: list[bytes] = []


async def new_store(folder: Path) -> str:
    """The URL of a store without a row, in a file of that folder."""
    path = folder / "records.db"
    url = f"sqlite+aiosqlite:///{path}"
    if _migrated:
        path.write_bytes(_migrated[0])
    else:
        await migrate(url)
        _migrated.append(path.read_bytes())
    return url

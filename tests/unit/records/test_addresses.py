"""Database URLs as managed PostgreSQL services print them, and what is said of those that cannot be used."""

from urllib.parse import parse_qs, urlsplit

import pytest

from service.records.addresses import PostgresqlServers, SqliteFile, address_of


def servers(url: str) -> PostgresqlServers:
    found = address_of(url)
    assert isinstance(found, PostgresqlServers)
    return found


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_way_to_write_postgresql(scheme: str) -> None:
    found = servers(f"{scheme}://ops:p%40ss@db.example.com/records?sslmode=require\n")
    assert found.dsns == ("postgresql://ops:p%40ss@db.example.com/records?sslmode=require",)
    assert found.place == "PostgreSQL at db.example.com:5432/records"


@pytest.mark.parametrize(
    "query",
    [
        "sslmode=require&channel_binding=require",  # Neon
        "sslmode=require&pgbouncer=true&connection_limit=1",  # Supabase, as its Prisma page prints it
        "ssl=true",  # JDBC's habit
        "ssl=require&connect_timeout=10&keepalives_idle=30",  # the release before, libpq
    ],
)
def test_what_other_drivers_are_told_is_no_setting_of_the_server(query: str) -> None:
    (dsn,) = servers(f"postgres://ops@db/records?{query}").dsns
    assert parse_qs(urlsplit(dsn).query) == {"sslmode": ["require"]}


def test_several_servers() -> None:
    found = servers("postgresql://ops:pw@a:5433,[::1],c/records?target_session_attrs=primary")
    assert [urlsplit(dsn).netloc for dsn in found.dsns] == ["ops:pw@a:5433", "ops:pw@[::1]", "ops:pw@c"]
    assert all(dsn.endswith("/records?target_session_attrs=primary") for dsn in found.dsns)
    assert found.place == "PostgreSQL at a:5433,[::1]:5432,c:5432/records"


def test_a_socket() -> None:
    found = servers("postgresql:///records?host=/run/postgresql")
    assert found.place == "PostgreSQL at /run/postgresql/records"


def test_a_file() -> None:
    assert address_of("sqlite+aiosqlite:////data/opsjobs.db") == SqliteFile("/data/opsjobs.db")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("mysql://ops:secret@db/records", "begins with mysql://"),
        ("db.example.com", "begins with ://"),
        ("sqlite+aiosqlite://", "begins with sqlite"),
        ("postgresql://ops:secret/x@db/records", "port is no number"),
        ("postgresql://ops:secret@[::1/records", "cannot be read"),
        ("postgresql://ops:secret@db/records?sslmod=require", "'sslmod', which is not known"),
        ("postgresql://ops:secret@db/records?sslmode=sometimes", "must be one of: disable, allow, prefer"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_showing_it(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as refused:
        address_of(url)
    assert "secret" not in str(refused.value)

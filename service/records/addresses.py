"""A database URL as people and managed services write it, and what of it a driver is given."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

#: SQLite in the pod's volume.
DEFAULT_URL = "sqlite+aiosqlite:////data/opsjobs.db"

#: The driver reads these as libpq does.
_UNDERSTOOD = frozenset(
    {
        *("host", "port", "dbname", "database", "user", "password", "passfile", "service", "krbsrvname", "gsslib"),
        *("sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs"),
        *("application_name", "options", "search_path"),
    }
)
#: Parameters of other drivers that asyncpg has no use for: time-outs are ours, and so is what is done behind a pooler.
_IGNORED = frozenset(
    {
        *("channel_binding", "client_encoding", "connect_timeout", "fallback_application_name", "gssencmode"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
        *("load_balance_hosts", "require_auth", "requirepeer", "sslcompression", "sslsni", "replication"),
        *("pgbouncer", "pool_timeout", "connection_limit", "prepared_statement_cache_size", "statement_cache_size"),
    }
)
_SSL_WORDS = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_POSTGRESQL = ("postgres", "postgresql", "postgresql+asyncpg")
_SQLITE = "sqlite+aiosqlite"


@dataclass(frozen=True, slots=True)
class SqliteFile:
    path: str

    @property
    def place(self) -> str:
        return f"SQLite at {self.path}"


@dataclass(frozen=True, slots=True)
class PostgresqlServers:
    """The same database on one server, or on several of which one takes writes."""

    #: One for each server, as asyncpg takes it; they hold the password.
    dsns: tuple[str, ...]
    place: str


def address_of(url: str) -> SqliteFile | PostgresqlServers:
    """Where the records are.

    Raises:
        ValueError: it is no URL of either database; the message shows nothing of it but the faulty part.
    """
    scheme, found, rest = url.strip().partition("://")
    if found and scheme == _SQLITE and len(rest) > 1 and rest.startswith("/"):
        return SqliteFile(unquote(rest[1:]))
    if found and scheme in _POSTGRESQL:
        return _servers(rest)
    raise ValueError(
        f"the database URL begins with {scheme if found else ''}://, it must be "
        "postgresql://user:password@host/name (postgres:// is the same) or sqlite+aiosqlite:///path"
    )


def _servers(rest: str) -> PostgresqlServers:
    # Python splits no URL of several hosts where one is an IPv6 address: each host is put into one of its own.
    servers, tail = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]  # fits every text
    credentials, at, hosts = servers.rpartition("@")
    listed = [host for host in hosts.split(",") if host] or [""]
    try:
        each = [urlsplit(f"postgresql://{credentials}{at}{host}{tail}") for host in listed]
    except ValueError as error:
        raise ValueError(f"the database URL cannot be read: {error}") from None
    for host in listed:
        _check_port(host)
    path, query = each[0].path, _query(each[0].query)
    dsns = tuple(urlunsplit(("postgresql", one.netloc, path, query, "")) for one in each)
    where = ",".join(_with_port(host) for host in listed if host) or dict(parse_qsl(query)).get("host", "its socket")
    return PostgresqlServers(dsns, f"PostgreSQL at {where}{path}")


def _query(text: str) -> str:
    kept: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name == "ssl":
            kept["sslmode"] = _SSL_WORDS.get(value.lower(), value)
        elif name in _UNDERSTOOD:
            kept[name] = value
        elif name not in _IGNORED:
            raise ValueError(
                f"the database URL has the parameter {name!r}, which is not known; known are {sorted(_UNDERSTOOD)}"
            )
    if (mode := kept.get("sslmode", "prefer")) not in _SSL_MODES:
        raise ValueError(f"the database URL's sslmode is {mode!r}, it must be one of: {', '.join(_SSL_MODES)}")
    return urlencode(kept)


def _check_port(host: str) -> None:
    port = host.rpartition("]")[2].partition(":")[2]
    if port and not port.isdecimal():
        raise ValueError("the database URL's port is no number; in a password write % : / ? # @ as %25 %3A %2F %3F …")


def _with_port(host: str) -> str:
    return host if ":" in host.rpartition("]")[2] else f"{host}:5432"

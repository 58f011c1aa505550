"""Where the object store is, and what objects are called there, for the service and for steps."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from workflow_templates.protocol.sigv4 import encoded_path, host_of

#: As long as S3 lets a link live.
_WEEK_SECONDS = 604_800
#: Keys that steps make: no part of them is empty, or of dots alone.
_KEY = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){1,7}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLocation:
    """Where objects go, as the chart's value objectStore says it; the environment is OPSJOBS_STORE_*."""

    endpoint: str
    bucket: str
    prefix: str = ""
    #: Where people reach the store, when that is not where steps do.
    public_endpoint: str = ""
    path_style: bool = True
    presign_seconds: int = _WEEK_SECONDS

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "StoreLocation":
        value = {name.removeprefix("OPSJOBS_STORE_"): text for name, text in environment.items()}
        return cls(
            endpoint=value["ENDPOINT"],
            bucket=value["BUCKET"],
            prefix=value.get("PREFIX", ""),
            public_endpoint=value.get("PUBLIC_ENDPOINT", ""),
            path_style=value.get("PATH_STYLE", "true") == "true",
            presign_seconds=int(value.get("PRESIGN_SECONDS") or _WEEK_SECONDS),
        )

    def address(self, key: str) -> str:
        """As the outputs of jobs name an object."""
        return f"s3://{self.bucket}/{self.name(key)}"

    def key(self, address: str) -> str:
        """The key, without the prefix, of what an output names; empty: it is no address of ours."""
        begin = self.address("")
        key = address.removeprefix(begin) if address.startswith(begin) else ""
        return key if _KEY.fullmatch(key) else ""

    def name(self, key: str) -> str:
        """The object's full key."""
        return f"{self.prefix}{key}"

    def url(self, key: str, endpoint: str = "") -> str:
        base = urlsplit(endpoint or self.endpoint)
        host = host_of(base.geturl())
        host = host if self.path_style else f"{self.bucket}.{host}"
        bucket = f"/{self.bucket}" if self.path_style else ""
        path = f"{base.path.rstrip('/')}{bucket}/{encoded_path(self.name(key))}"
        return urlunsplit((base.scheme, host, path, "", ""))

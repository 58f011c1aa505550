"""AWS Signature Version 4 for S3, which every compatible store checks (AWS: Authenticating Requests)."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs requests for one region with one pair of keys. URLs are given with their path and query percent-encoded."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str

    def headers(
        self, method: str, url: str, headers: Mapping[str, str], payload: bytes, now: datetime
    ) -> dict[str, str]:
        """The headers to send: those given, and those that prove whose request with which body this is."""
        payload_hash = hashlib.sha256(payload).hexdigest()
        proven = {
            **{name.lower(): value for name, value in headers.items()},
            "host": host_of(url),
            "x-amz-content-sha256": payload_hash,
            "x-amz-date": _stamp(now),
        }
        signature = self._signature(method, url, proven, payload_hash, now)
        credential = f"Credential={self.access_key}/{self._scope(now)}"
        authorization = f"{_ALGORITHM} {credential},SignedHeaders={_names(proven)},Signature={signature}"
        return {**proven, "authorization": authorization}

    def presigned(self, method: str, url: str, seconds: int, now: datetime) -> str:
        """A URL that needs no other proof for so many seconds."""
        proven = {"host": host_of(url)}
        query = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.access_key}/{self._scope(now)}",
            "X-Amz-Date": _stamp(now),
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": _names(proven),
        }
        unsigned = f"{url}?{_encoded(query)}"
        return f"{unsigned}&X-Amz-Signature={self._signature(method, unsigned, proven, 'UNSIGNED-PAYLOAD', now)}"

    def _signature(self, method: str, url: str, proven: Mapping[str, str], payload_hash: str, now: datetime) -> str:
        parts = urlsplit(url)
        query = _encoded(dict(parse_qsl(parts.query, keep_blank_values=True)))
        lines = [f"{name}:{value.strip()}\n" for name, value in sorted(proven.items())]
        canonical = "\n".join([method, parts.path or "/", query, "".join(lines), _names(proven), payload_hash])
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return _hmac(self._key(now), "\n".join([_ALGORITHM, _stamp(now), self._scope(now), digest])).hex()

    def _key(self, now: datetime) -> bytes:
        key = f"AWS4{self.secret_key}".encode()
        for part in self._scope(now).split("/"):
            key = _hmac(key, part)
        return key

    def _scope(self, now: datetime) -> str:
        return f"{now:%Y%m%d}/{self.region}/s3/aws4_request"


def host_of(url: str) -> str:
    """The host as clients send it, whatever the URL says: in lower case, and without the scheme's own port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host if parts.port in (None, _PORTS.get(parts.scheme)) else f"{host}:{parts.port}"


def encoded_path(path: str) -> str:
    """A path as S3 expects it, in the request and under the signature."""
    return quote(path, safe="/-_.~")


def _encoded(query: Mapping[str, str]) -> str:
    return "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query.items()))


def _names(headers: Mapping[str, str]) -> str:
    return ";".join(sorted(headers))


def _stamp(now: datetime) -> str:
    """`now` is in UTC."""
    return f"{now:%Y%m%dT%H%M%SZ}"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()

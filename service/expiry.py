"""When what this process shows to others ends: its certificate, its token of Kubernetes.

Both are renewed outside.
"""

import base64
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class Expiry(Collector):
    """Reads the files each time it is asked: that the kubelet brings no newer ones is what is to be seen."""

    def __init__(self, tls_folder: Path | None, token: Path | None = None) -> None:
        self._chain = tls_folder / "tls.crt" if tls_folder else None
        self._token = token or TOKEN

    def describe(self) -> Iterator[Metric]:
        """Nothing: without TLS there is no certificate, and outside of a cluster no token."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """What is there and can be read."""
        if self._chain and (ends := certificate_end(self._chain)):
            about = "When the service's certificate ends, in seconds since 1970"
            yield GaugeMetricFamily("opsjobs_certificate_expiry_timestamp_seconds", about, value=ends)
        if ends := token_end(self._token):
            about = "When the service's token of Kubernetes ends, in seconds since 1970"
            yield GaugeMetricFamily("opsjobs_token_expiry_timestamp_seconds", about, value=ends)


def certificate_end(chain: Path) -> float | None:
    """Of the first certificate of a PEM file, in seconds since 1970; None: there is none that can be read."""
    try:
        first, end, _ = chain.read_text().partition(ssl.PEM_FOOTER)
        return _not_after(ssl.PEM_cert_to_DER_cert(first[first.index(ssl.PEM_HEADER) :] + end))
    except (OSError, ValueError, IndexError):
        return None


def token_end(token: Path) -> float | None:
    """Of a JSON Web Token, in seconds since 1970; None: there is none, or it says no end."""
    try:
        claims = token.read_text().split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])
    except (OSError, ValueError, IndexError, LookupError, TypeError):
        return None


_VERSION, _UTC_TIME = 0xA0, 0x17


def _not_after(certificate: bytes) -> float:
    """RFC 5280: Certificate, TBSCertificate, Validity, notAfter. Python's own module shows it of peers only."""
    signed = _parts(_parts(_parts(certificate)[0][1])[0][1])
    signed = signed[1:] if signed[0][0] == _VERSION else signed
    kind, written = _parts(signed[3][1])[1]
    form = "%y%m%d%H%M%SZ" if kind == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(written.decode(), form).replace(tzinfo=UTC).timestamp()


def _parts(der: bytes) -> list[tuple[int, bytes]]:
    """The tag and the content of each element in a row of them."""
    found, at = [], 0
    while at < len(der):
        tag, size, at = der[at], der[at + 1], at + 2
        if size & 0x80:
            more = size & 0x7F
            size, at = int.from_bytes(der[at : at + more]), at + more
        found.append((tag, der[at : at + size]))
        at += size
    return found

"""When the certificate and the token end, read from their files."""

import base64
import json
from pathlib import Path

import pytest
from cryptography import x509

from local_cluster.pki import Authority, Identity
from service.expiry import Expiry, certificate_end, token_end


def a_token(**claims: object) -> str:
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, claims, "")
    )


def shown(expiry: Expiry) -> dict[str, float]:
    return {family.name: family.samples[0].value for family in expiry.collect()}


@pytest.fixture
def identity() -> Identity:
    return Authority.new().sign("opsjobs", hosts=["opsjobs.example.com"])


def test_the_certificate_and_the_token_as_they_lie_there(tmp_path: Path, identity: Identity) -> None:
    token = tmp_path / "token"
    token.write_text(a_token(exp=1_900_000_000, sub="system:serviceaccount:opsjobs:opsjobs"))
    (tmp_path / "tls.crt").write_bytes(identity.certificate)
    expected = x509.load_pem_x509_certificate(identity.certificate).not_valid_after_utc.timestamp()
    assert shown(Expiry(tmp_path, token)) == {
        "opsjobs_certificate_expiry_timestamp_seconds": expected,
        "opsjobs_token_expiry_timestamp_seconds": 1_900_000_000,
    }


def test_what_is_not_there_is_not_shown(tmp_path: Path) -> None:
    assert shown(Expiry(None, tmp_path / "token")) == {}
    assert shown(Expiry(tmp_path, tmp_path / "token")) == {}


def test_of_a_chain_the_first_certificate_counts(tmp_path: Path, identity: Identity) -> None:
    chain = tmp_path / "tls.crt"
    chain.write_bytes(b"# the service's own\n" + identity.certificate + Authority.new().identity.certificate)
    expected = x509.load_pem_x509_certificate(identity.certificate).not_valid_after_utc.timestamp()
    assert certificate_end(chain) == expected


@pytest.mark.parametrize(
    "content",
    [
        "",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMIQ=\n-----END CERTIFICATE-----\n",
        "a.b.c",
        a_token(),
        a_token(exp=None),
    ],
)
def test_half_a_file_is_no_error(tmp_path: Path, content: str) -> None:
    """The kubelet writes them while they are read."""
    file = tmp_path / "file"
    file.write_text(content)
    assert certificate_end(file) is None
    assert token_end(file) is None

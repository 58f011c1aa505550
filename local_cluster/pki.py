"""The cluster's certificate authority, and the identities it signs."""

import base64
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=3650)
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


def new_key() -> bytes:
    """Make a private key in the one form that the API server reads for service accounts and for TLS alike."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


class Authority:
    """Signs who is who in one cluster; loaded again from the control plane when a node joins later."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._certificate = x509.load_pem_x509_certificate(identity.certificate)
        self._key = _loaded(identity.key)

    @classmethod
    def new(cls) -> "Authority":
        key = new_key()
        name = _name("opsjobs local cluster")
        builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        certificate = builder.sign(_loaded(key), hashes.SHA256())
        return cls(Identity(certificate.public_bytes(serialization.Encoding.PEM), key))

    def sign(self, common_name: str, group: str = "", hosts: Sequence[str] = ()) -> Identity:
        """Issue a certificate good for client and, with `hosts` (names or addresses), for server."""
        key = new_key()
        builder = (
            _builder(_name(common_name, group), self._certificate.subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
                critical=False,
            )
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        return Identity(certificate.public_bytes(serialization.Encoding.PEM), key)

    def kubeconfig(self, server: str, identity: Identity) -> str:
        """Write a kubeconfig (as JSON, which YAML readers take) with everything in it."""
        cluster = {"server": server, "certificate-authority-data": _text(self.identity.certificate)}
        user = {"client-certificate-data": _text(identity.certificate), "client-key-data": _text(identity.key)}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "local", "cluster": cluster}],
                "users": [{"name": "local", "user": user}],
                "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local"}}],
                "current-context": "local",
            }
        )


def _builder(subject: x509.Name, issuer: x509.Name, key: bytes) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(_loaded(key).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _loaded(key: bytes) -> ec.EllipticCurvePrivateKey:
    loaded = serialization.load_pem_private_key(key, password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise TypeError("the cluster's keys are elliptic curve keys")
    return loaded


def _name(common_name: str, group: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if group:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _text(pem: bytes) -> str:
    return base64.b64encode(pem).decode()

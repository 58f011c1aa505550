"""A real server of the service's kind, and clients that connect to it before and after its certificate is renewed."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from uvicorn.protocols.http.h11_impl import H11Protocol

from local_cluster.pki import Authority, Identity
from service.main import connections
from service.settings import Settings
from service.tls import LOOK_SECONDS, Certificate

STARTS = 60


class Secret:
    """A folder as the kubelet mounts a Secret: links into a folder that is exchanged as a whole."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "mounted"
        self.folder.mkdir()
        self._number = 0
        for name in ("tls.crt", "tls.key"):
            (self.folder / name).symlink_to(Path("..data") / name)

    def write(self, certificate: bytes, key: bytes) -> None:
        self._number += 1
        content = self.folder / f"..{self._number}"
        content.mkdir()
        (content / "tls.crt").write_bytes(certificate)
        (content / "tls.key").write_bytes(key)
        link = self.folder / "..data_tmp"
        link.symlink_to(content.name)
        link.rename(self.folder / "..data")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.new()


def issue(authority: Authority) -> Identity:
    return authority.sign("opsjobs", hosts=["localhost", "127.0.0.1"])


@pytest.fixture
def secret(tmp_path: Path, authority: Authority) -> Secret:
    made = Secret(tmp_path)
    first = issue(authority)
    made.write(first.certificate, first.key)
    return made


async def application(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


@pytest.fixture
def port(secret: Secret) -> Iterator[int]:
    """Where uvicorn listens, given the context as service.main gives it."""
    http = connections(Settings(tls_folder=secret.folder))
    config = uvicorn.Config(application, http=http, log_config=None, lifespan="off")
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        until = time.monotonic() + STARTS
        while not server.started:
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.01)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(STARTS)
        listening.close()


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.identity.certificate.decode())


def serial(port: int, *, name: str | None = "localhost") -> int:
    """The serial number of the certificate that a new connection is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 60) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
    assert shown
    return x509.load_der_x509_certificate(shown).serial_number


def number(certificate: bytes) -> int:
    return x509.load_pem_x509_certificate(certificate).serial_number


def becomes(port: int, wanted: int, name: str | None = "localhost") -> None:
    until = time.monotonic() + 60
    while serial(port, name=name) != wanted:
        assert time.monotonic() < until, "the new certificate is not shown"
        time.sleep(0.1)


def test_a_client_that_trusts_the_authority_is_answered(port: int, authority: Authority) -> None:
    assert httpx.get(f"https://localhost:{port}/", verify=trusting(authority)).text == "https"


@pytest.mark.parametrize("name", ["localhost", None], ids=["named", "unnamed"])
def test_a_renewed_certificate_is_shown_without_a_restart(
    port: int, secret: Secret, authority: Authority, name: str | None
) -> None:
    with httpx.Client(base_url=f"https://localhost:{port}", verify=trusting(authority)) as before:
        assert before.get("/").status_code == 200
        renewed = issue(authority)
        secret.write(renewed.certificate, renewed.key)
        becomes(port, number(renewed.certificate), name)
        assert before.get("/").status_code == 200, "who is connected stays connected"


def test_a_renewed_certificate_may_have_a_key_of_another_kind(port: int, secret: Secret) -> None:
    """A context keeps a certificate for each kind of key, and would go on showing the old one to who prefers that."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    renewed = self_signed(key)
    secret.write(renewed.certificate, renewed.key)
    becomes(port, number(renewed.certificate))
    again = self_signed(ec.generate_private_key(ec.SECP256R1()))
    secret.write(again.certificate, again.key)
    becomes(port, number(again.certificate))


def test_files_that_do_not_belong_together_change_nothing(secret: Secret, authority: Authority) -> None:
    now = 0.0
    certificate = Certificate(secret.folder, lambda: now)
    first = certificate._current
    one, other = issue(authority), issue(authority)
    for chain, key in ((one.certificate, other.key), (b"", one.key), (one.certificate, b"half a k")):
        secret.write(chain, key)
        now += LOOK_SECONDS
        certificate._look()
        assert certificate._current is first
    secret.write(one.certificate, one.key)
    now += LOOK_SECONDS
    certificate._look()
    assert certificate._current is not first


def test_files_that_are_gone_for_a_moment_change_nothing(port: int, secret: Secret) -> None:
    shown = serial(port)
    (secret.folder / "..data").unlink()
    time.sleep(LOOK_SECONDS)
    assert serial(port) == shown


def test_a_service_without_its_certificate_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connections(Settings(tls_folder=tmp_path))


def test_plain_http_is_refused(port: int) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://localhost:{port}/")


def test_old_tls_is_refused(secret: Secret) -> None:
    assert Certificate(secret.folder).server_context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_without_a_folder_the_service_speaks_plain_http() -> None:
    assert issubclass(connections(Settings()), H11Protocol)


def self_signed(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> Identity:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "opsjobs")])
    now = x509.load_pem_x509_certificate(Authority.new().identity.certificate)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.not_valid_before_utc)
        .not_valid_after(now.not_valid_after_utc)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Identity(certificate.public_bytes(serialization.Encoding.PEM), pem)

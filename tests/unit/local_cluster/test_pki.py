import base64
import json

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from local_cluster.pki import Authority


def test_a_server_certificate_is_trusted_for_its_names_and_addresses() -> None:
    authority = Authority.new()
    signed = x509.load_pem_x509_certificate(
        authority.sign("api", hosts=["kubernetes.default.svc", "10.96.0.1"]).certificate
    )
    names = signed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kubernetes.default.svc"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.96.0.1"]
    signed.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.identity.certificate))


def test_a_client_is_who_it_is_by_common_name_and_group() -> None:
    signed = x509.load_pem_x509_certificate(Authority.new().sign("system:node:node-1", "system:nodes").certificate)
    assert signed.subject.rfc4514_string() == "CN=system:node:node-1,O=system:nodes"


def test_an_authority_that_was_read_back_signs_for_the_same_cluster() -> None:
    first = Authority.new()
    again = Authority(first.identity)
    joined = x509.load_pem_x509_certificate(again.sign("system:node:node-9", "system:nodes").certificate)
    joined.verify_directly_issued_by(x509.load_pem_x509_certificate(first.identity.certificate))


def test_a_kubeconfig_holds_all_that_is_needed() -> None:
    authority = Authority.new()
    identity = authority.sign("admin", "system:masters")
    written = json.loads(authority.kubeconfig("https://192.0.2.1:6443", identity))
    assert written["clusters"][0]["cluster"]["server"] == "https://192.0.2.1:6443"
    key = base64.b64decode(written["users"][0]["user"]["client-key-data"])
    assert key == identity.key
    assert serialization.load_pem_private_key(key, password=None)

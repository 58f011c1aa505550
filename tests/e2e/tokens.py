"""Tokens that no apiserver would hand out."""

import base64
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.e2e.live import Cluster

SIGNING_KEY = "/etc/kubernetes/pki/service-account.key"
_BYTES = 32


def ending_in(seconds: int, token: str, cluster: Cluster) -> str:
    """The same token with another end, signed by the cluster's own key."""
    pem = cluster.on_host("control-plane", "cat", SIGNING_KEY)
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    header, payload, _ = token.split(".")
    end = int(time.time()) + seconds
    claims = {**json.loads(_decoded(payload)), "iat": end - 3600, "nbf": end - 3600, "exp": end}
    return _signed(f"{header}.{_encoded(json.dumps(claims).encode())}", key)


def of_another_signer(token: str) -> str:
    """The same token, signed with a key that anybody can make."""
    return _signed(token.rpartition(".")[0], ec.generate_private_key(ec.SECP256R1()))


def _signed(text: str, key: ec.EllipticCurvePrivateKey) -> str:
    """As ES256 has it: the two numbers of the signature, one after the other."""
    numbers = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{_encoded(b''.join(number.to_bytes(_BYTES) for number in numbers))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

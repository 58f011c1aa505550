"""The examples that AWS publishes for S3 (Authenticating Requests: signature calculations, and query parameters)."""

from datetime import UTC, datetime

import pytest

from workflow_templates.protocol.sigv4 import Signer, encoded_path, host_of

SIGNER = Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
NOW = datetime(2013, 5, 24, tzinfo=UTC)
BUCKET = "https://examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("method", "url", "headers", "payload", "signature"),
    [
        (
            "GET",
            f"{BUCKET}/test.txt",
            {"Range": "bytes=0-9"},
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            BUCKET + encoded_path("/test$file.text"),
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET", f"{BUCKET}/?lifecycle", {}, b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "GET",
            f"{BUCKET}/?prefix=J&max-keys=2",
            {},
            b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_a_request_is_signed_as_aws_does(
    method: str, url: str, headers: dict[str, str], payload: bytes, signature: str
) -> None:
    assert SIGNER.headers(method, url, headers, payload, NOW)["authorization"].endswith(f"Signature={signature}")


def test_a_link_is_signed_as_aws_does() -> None:
    link = SIGNER.presigned("GET", f"{BUCKET}/test.txt", 86400, NOW)
    assert link.endswith("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
    assert "X-Amz-Expires=86400" in link


@pytest.mark.parametrize("host", ["examplebucket.s3.amazonaws.com:443", "ExampleBucket.S3.amazonaws.com"])
def test_another_spelling_of_the_host_has_the_same_signature(host: str) -> None:
    usual, other = (SIGNER.presigned("GET", f"https://{name}/x", 60, NOW) for name in (BUCKET[8:], host))
    assert usual.rpartition("=")[2] == other.rpartition("=")[2]
    assert SIGNER.headers("GET", f"https://{host}/x", {}, b"", NOW)["host"] == BUCKET[8:]


def test_an_address_of_version_6_keeps_its_brackets() -> None:
    assert host_of("https://[2001:DB8::1]:443/x") == "[2001:db8::1]"
    assert host_of("https://[2001:db8::1]:9000/x") == "[2001:db8::1]:9000"


def test_the_secret_is_in_nothing_that_is_sent_or_printed() -> None:
    headers = SIGNER.headers("PUT", f"{BUCKET}/x", {}, b"y", NOW)
    link = SIGNER.presigned("GET", f"{BUCKET}/x", 60, NOW)
    for text in (repr(SIGNER), link, *headers.values()):
        assert SIGNER.secret_key not in text

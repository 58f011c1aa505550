"""A kubelet as far as the apiserver asks it for logs: its containers write numbered lines at a steady pace, for ever.

`python -m tests.bench.kubelet PORT LINES-A-SECOND BYTES`
"""

import asyncio
import ssl
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: Between two writes of the lines that are due.
_TICK_SECONDS = 0.02


def main() -> None:
    port, pace, size = map(int, sys.argv[1:])
    application = web.Application()

    async def logs(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        begun, sent = time.monotonic(), 0
        while "follow" in request.query:
            due = int((time.monotonic() - begun) * pace)
            await answer.write(b"".join(_line(number, size) for number in range(sent, due)))
            sent = due
            await asyncio.sleep(_TICK_SECONDS)
        return answer

    application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", logs)
    with tempfile.TemporaryDirectory() as folder:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(_certificate(Path(folder)))
    web.run_app(application, host="127.0.0.1", port=port, ssl_context=context, print=None)


def _line(number: int, size: int) -> bytes:
    now = time.time_ns()
    stamp = f"{datetime.fromtimestamp(now // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{now % 10**9:09d}Z"
    return f"{stamp} {number:<{size}}\n".encode()


def _certificate(folder: Path) -> Path:
    """Its own: the apiserver is told of no authority, and believes it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubelet")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = folder / "kubelet.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, kind, plain) + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


if __name__ == "__main__":
    main()

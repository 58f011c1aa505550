"""A connection to the local cluster's apiserver by its kubeconfig: with the administrator's certificate or a token."""

import base64
import json
import ssl
import tempfile
from pathlib import Path

import httpx


def apiserver(kubeconfig: Path, token: str = "") -> httpx.Client:
    """Raises ValueError where the file is not one of the local cluster's."""
    config = json.loads(kubeconfig.read_text())
    (cluster,), (user,) = config["clusters"], config["users"]
    context = ssl.create_default_context(cadata=_decoded(cluster["cluster"]["certificate-authority-data"]))
    if not token:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:
            pair.write(_decoded(user["user"]["client-key-data"]) + _decoded(user["user"]["client-certificate-data"]))
            pair.flush()
            context.load_cert_chain(pair.name)
    return httpx.Client(
        base_url=cluster["cluster"]["server"],
        headers={"Authorization": f"Bearer {token}"} if token else {},
        verify=context,
        timeout=60,
        trust_env=False,
    )


def _decoded(data: str) -> str:
    return base64.b64decode(data).decode()

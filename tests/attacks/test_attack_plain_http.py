"""Who sits between a caller and the service and reads what goes by.

Before, NodePort and LoadBalancer were offered without TLS, and the local cluster used one: every request carried its
bearer token in clear text, good for root on every node while it lived.
"""

import socket
import ssl
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.live import Cluster
from tests.unit.chart.rendering import Object, refusal, render

pytestmark = pytest.mark.e2e

ISSUER: Object = {"tls": {"certManager": {"issuerRef": {"name": "internal"}}}}
GATEWAY: Object = {"enabled": True, "parentRefs": [{"name": "gateway"}]}


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_no_way_from_outside_without_tls(kind: str) -> None:
    service: Object = {"type": kind}
    said = refusal({"service": service})
    assert f"service.type: {kind} lets callers in from outside the cluster" in said
    assert "tls.existingSecret" in said
    assert render({"service": {**service, "plainHttp": True}}).one("Service")["spec"]["type"] == kind
    assert render({"service": service, **ISSUER}).one("Service")["spec"]["ports"][0]["name"] == "https"


def test_no_route_that_a_plain_listener_takes_too() -> None:
    assert "those for plain HTTP too" in refusal({"httpRoute": GATEWAY})


def test_no_ingress_without_tls() -> None:
    assert render({"ingress": {"enabled": True, "host": "ops.example.com"}}).one("Ingress")["spec"]["tls"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_call_in_clear_text_is_not_answered(cluster: Cluster, method: str) -> None:
    """Nor is it led elsewhere by a redirect, which would teach clients to send their token first."""
    port = urlsplit(cluster.facts["url"]).netloc
    with pytest.raises(httpx.TransportError):
        httpx.request(method, f"http://{port}/api/v1/opsjobs", headers={"Authorization": "Bearer x"}, timeout=30)


def test_the_port_says_nothing_to_who_speaks_no_tls(cluster: Cluster) -> None:
    address = urlsplit(cluster.facts["url"])
    with socket.create_connection((address.hostname, address.port), 30) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        heard = plain.recv(100)
    assert b"HTTP" not in heard


def test_who_is_another_server_is_found_out(cluster: Cluster) -> None:
    """The certificate is good for this address and by this authority: a client that checks meets no other."""
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"{cluster.facts['url']}/healthz", verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), timeout=30)
    assert httpx.get(f"{cluster.facts['url']}/healthz", verify=cluster.trust, timeout=30).status_code == 200

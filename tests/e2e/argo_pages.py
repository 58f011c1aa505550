"""Argo's UI, as a person with a token of the read-only account sees it."""

from local_cluster.argo import NAMESPACE, READER
from tests.e2e.live import Cluster


def bearer(cluster: Cluster) -> str:
    """What its box for client authentication takes: Argo's server asks Kubernetes with it."""
    return f"Bearer {cluster.kubectl('create', 'token', READER, '-n', NAMESPACE, '--duration=1h').strip()}"

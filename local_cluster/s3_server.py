"""The local cluster's S3 store, for the reports and logs of jobs."""

import base64
import json
import secrets
from pathlib import Path
from typing import Any

import yaml

from local_cluster.cluster_settings import JOBS_NAMESPACE, RELEASE_NAMESPACE
from local_cluster.kubectl import Kubectl
from local_cluster.stages import Stage

MANIFEST = Path(__file__).parent / "manifests" / "object-store.yaml"
NAMESPACE = "object-store"
KEYS = "object-store"
#: As values.yaml names it to the chart.
SHARED_KEYS = "opsjobs-store"


def install(kubectl: Kubectl, stage: Stage) -> None:
    """Have the store run; its keys are made once and stay as long as the cluster."""
    kubectl.apply(stage, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    keys = _keys(kubectl, stage) or {"accessKey": secrets.token_hex(8), "secretKey": secrets.token_urlsafe(24)}
    kubectl.apply(stage, _secret(KEYS, NAMESPACE, keys), *yaml.safe_load_all(MANIFEST.read_text()))
    kubectl.rollout(stage, NAMESPACE, "deployment/object-store")


def share_keys_with_service(kubectl: Kubectl, stage: Stage) -> None:
    """Put the keys where the service mounts them, before the chart is installed, which waits for it."""
    _share(kubectl, stage, RELEASE_NAMESPACE)


def share_keys_with_steps(kubectl: Kubectl, stage: Stage) -> None:
    """Put the keys where steps mount them; the chart has made that namespace."""
    _share(kubectl, stage, JOBS_NAMESPACE)


def _share(kubectl: Kubectl, stage: Stage, namespace: str) -> None:
    if keys := _keys(kubectl, stage):
        kubectl.apply(stage, _secret(SHARED_KEYS, namespace, keys))
    else:
        stage.note("this cluster is older than its object store: make up adds it")


def _keys(kubectl: Kubectl, stage: Stage) -> dict[str, str]:
    found = kubectl.secret(stage, "-n", NAMESPACE, "get", "secret", KEYS, "--ignore-not-found", "-o", "json")
    data = json.loads(found)["data"] if found else {}
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def _secret(name: str, namespace: str, keys: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": keys}

"""Reads of Kubernetes objects over one connection: kubectl takes a tenth of a second of processor each time.

Tests wait by asking again and again, several at a time, and would leave the cluster under test no processor.
"""

import argparse
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.kubeconfig import apiserver

_CORE, _APPS, _BATCH = "/api/v1", "/apis/apps/v1", "/apis/batch/v1"
_ARGO, _LEASES = "/apis/argoproj.io/v1alpha1", "/apis/coordination.k8s.io/v1"
#: Kind as kubectl is told it, singular → where it is. All others are left to kubectl.
_NAMESPACED = {
    **dict.fromkeys(("pod", "secret", "configmap", "service", "serviceaccount", "event"), _CORE),
    **dict.fromkeys(("deployment", "daemonset", "statefulset", "replicaset"), _APPS),
    "job": _BATCH,
    "lease": _LEASES,
    **dict.fromkeys(("workflow", "workflowtemplate", "workflowtaskresult"), _ARGO),
}
_CLUSTER_WIDE = {"node": _CORE, "namespace": _CORE}


class Reader:
    """Answers `kubectl get` of the usual kinds."""

    def __init__(self, kubeconfig: Path) -> None:
        """Raises ValueError where the file is not one of the local cluster's."""
        # The apiserver's own node may have been rebooted meanwhile: a connection that was kept is then a bad one.
        self._client = apiserver(kubeconfig)

    def get(self, *arguments: str) -> Any:
        """What `kubectl get ARGUMENTS -o json --ignore-not-found` shows; LookupError: this is one for kubectl."""
        path, query = _asked(arguments)
        answer = self._ask(path, query)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        assert answer.status_code == httpx.codes.OK, f"kubectl get {' '.join(arguments)}: {answer.text}"
        found = answer.json()
        if found["kind"].endswith("List"):
            for item in found["items"]:
                item |= {"apiVersion": found["apiVersion"], "kind": found["kind"].removesuffix("List")}
        return found

    def close(self) -> None:
        self._client.close()

    def _ask(self, path: str, query: dict[str, str]) -> httpx.Response:
        try:
            return self._client.get(path, params=query)
        except httpx.TransportError:
            return self._client.get(path, params=query)


def _asked(arguments: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """The path and query that the arguments of `kubectl get` mean."""
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False, allow_abbrev=False)
    parser.add_argument("what", nargs="+")
    parser.add_argument("-n", dest="namespace", default="default")
    parser.add_argument("-A", dest="everywhere", action="store_true")
    parser.add_argument("-l", dest="labelSelector")
    parser.add_argument("--field-selector", dest="fieldSelector")
    try:
        given, unknown = parser.parse_known_args(arguments)
    except argparse.ArgumentError as fault:
        raise LookupError(arguments) from fault
    kind, *names = [part for word in given.what for part in word.split("/")]
    kind = kind.removesuffix("s")
    if unknown or len(names) > 1 or kind not in (_NAMESPACED | _CLUSTER_WIDE):
        raise LookupError(arguments)
    within = "" if given.everywhere or kind in _CLUSTER_WIDE else f"/namespaces/{given.namespace}"
    path = "/".join([f"{(_NAMESPACED | _CLUSTER_WIDE)[kind]}{within}/{kind}s", *names])
    return path, {name: value for name in ("labelSelector", "fieldSelector") if (value := getattr(given, name))}

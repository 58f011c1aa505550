"""What the service takes of the machine, as the kubelets count it."""

import time
from dataclasses import dataclass

from service.kube.client import Api
from tests.e2e.live import Cluster

_PODS = {"labelSelector": "app.kubernetes.io/name=opsjobs,app.kubernetes.io/component=service"}


@dataclass(frozen=True)
class Usage:
    """At a moment, of all replicas together: seconds of processor so far, and the working set."""

    at: float
    cpu: float
    megabytes: float


async def usage(cluster: Cluster, api: Api) -> Usage:
    """Look once. A kubelet counts every ten seconds or so."""
    pods = [pod async for pod in api.list(f"/api/v1/namespaces/{cluster.facts['namespace']}/pods", _PODS)]
    names = {pod["metadata"]["name"] for pod in pods}
    cpu = memory = 0.0
    for node in {pod["spec"]["nodeName"] for pod in pods}:
        summary = await api.get(f"/api/v1/nodes/{node}/proxy/stats/summary") or {"pods": []}
        for stats in summary["pods"]:
            if stats["podRef"]["name"] in names:
                cpu += stats.get("cpu", {}).get("usageCoreNanoSeconds", 0) / 1e9
                memory += stats.get("memory", {}).get("workingSetBytes", 0) / 1e6
    return Usage(time.monotonic(), cpu, memory)

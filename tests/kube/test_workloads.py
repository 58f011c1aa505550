"""Workloads by name in a real cluster: built-in, bare, custom and labelled."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from service.domain.cluster_objects import Workload, Workspace
from service.kube.client import Api, KubeSettings
from service.kube.owners import Owners
from service.kube.workloads import workloads as found_workloads
from service.kube.workspaces import workspace
from tests.e2e.live import Cluster, wait_for
from tests.kube.conftest import pod

CUSTOM = "trainings.kubetest.opsjob.io"


@pytest.fixture(scope="module")
def trainings(cluster: Cluster) -> Iterator[None]:
    """A custom kind of workload that nobody has heard of."""
    cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": CUSTOM},
            "spec": {
                "group": "kubetest.opsjob.io",
                "names": {"kind": "Training", "plural": "trainings", "singular": "training"},
                "scope": "Namespaced",
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object"}},
                    }
                ],
            },
        }
    )
    cluster.kubectl("wait", "--for=condition=Established", f"crd/{CUSTOM}", "--timeout=300s")
    yield
    cluster.kubectl("delete", "crd", CUSTOM, "--wait=false")


def deployment(name: str, namespace: str, node: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod(name, namespace, node)["spec"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


def training(cluster: Cluster, name: str, namespace: str, owner: dict[str, Any] | None = None) -> dict[str, Any]:
    """Makes one; answers the reference to it as an owner."""
    reference = {"apiVersion": "kubetest.opsjob.io/v1", "kind": "Training", "name": name}
    metadata = {"name": name, "namespace": namespace, "ownerReferences": [owner] if owner else []}
    cluster.apply({"apiVersion": "kubetest.opsjob.io/v1", "kind": "Training", "metadata": metadata})
    made = cluster.get(CUSTOM, name, "-n", namespace)
    return {**reference, "uid": made["metadata"]["uid"], "controller": True}


def found_on(settings: KubeSettings, name: str, *nodes: str) -> list[Workload]:
    return [Workload(name, settings.namespace, "team-a", frozenset(nodes))]


async def workloads(api: Api, settings: KubeSettings, name: str) -> list[Workload]:
    """What is found, without the names of pods, which controllers choose."""
    found = (await found_workloads(api, settings, [name], {"team-a": settings.namespace}))[name]
    return [replace(workload, pods=()) for workload in found]


async def test_a_workspace_is_the_namespace_with_its_label(api: Api, settings: KubeSettings) -> None:
    label = settings.workspace_label
    assert await workspace(api, label, "team-a") == Workspace("team-a", (settings.namespace,))
    assert await workspace(api, label, "team-b") is None
    assert await workspace(api, label, "team-a,team-b in (x)") is None


async def test_a_deployment_is_found_through_its_replica_set(
    api: Api, cluster: Cluster, settings: KubeSettings, ghost: str
) -> None:
    cluster.apply(deployment("web", settings.namespace, ghost))
    wait_for("a pod", lambda: cluster.items("pods", "-n", settings.namespace, "-l", "app=web"))
    assert await workloads(api, settings, "web") == found_on(settings, "web", ghost)
    cluster.kubectl("delete", "deployment", "web", "-n", settings.namespace)


@pytest.mark.parametrize("kind", ["deployment", "statefulset", "job", "cronjob", "daemonset", "replicaset"])
async def test_a_controller_without_pods_is_a_workload_without_nodes(
    api: Api, cluster: Cluster, settings: KubeSettings, kind: str
) -> None:
    made = deployment(f"idle-{kind}", settings.namespace, "")
    template = made["spec"]["template"]
    template["spec"] = {"containers": template["spec"]["containers"], "restartPolicy": "Always"}
    batch = {"metadata": {}, "spec": {**template["spec"], "restartPolicy": "Never"}}
    specs: dict[str, tuple[str, dict[str, Any]]] = {
        "deployment": ("apps/v1", {**made["spec"], "replicas": 0}),
        "replicaset": ("apps/v1", {**made["spec"], "replicas": 0}),
        "statefulset": ("apps/v1", {**made["spec"], "replicas": 0, "serviceName": "none"}),
        "daemonset": (
            "apps/v1",
            {
                "selector": made["spec"]["selector"],
                "template": {**template, "spec": {**template["spec"], "nodeSelector": {"no": "node"}}},
            },
        ),
        "job": ("batch/v1", {"suspend": True, "template": batch}),
        "cronjob": ("batch/v1", {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": batch}}}),
    }
    version, spec = specs[kind]
    names = {"cronjob": "CronJob", "daemonset": "DaemonSet", "replicaset": "ReplicaSet", "statefulset": "StatefulSet"}
    cluster.apply(
        {"apiVersion": version, "kind": names.get(kind, kind.title()), "metadata": made["metadata"], "spec": spec}
    )
    assert await workloads(api, settings, f"idle-{kind}") == found_on(settings, f"idle-{kind}")


async def test_a_bare_pod_is_a_workload_by_its_own_name(
    api: Api, cluster: Cluster, settings: KubeSettings, ghost: str
) -> None:
    cluster.apply(pod("bare", settings.namespace, ghost))
    assert await workloads(api, settings, "bare") == found_on(settings, "bare", ghost)


@pytest.mark.usefixtures("trainings")
async def test_a_custom_workload_is_found_however_far_above_its_pods_it_stands(
    api: Api, cluster: Cluster, settings: KubeSettings, ghost: str
) -> None:
    space = settings.namespace
    top = training(cluster, "llm", space)
    middle = training(cluster, "llm-workers", space, top)
    below = training(cluster, "llm-workers-0", space, middle)
    cluster.apply(pod("llm-workers-0-0", space, ghost, ownerReferences=[below]))
    for name in ("llm", "llm-workers", "llm-workers-0"):
        assert await workloads(api, settings, name) == found_on(settings, name, ghost)
    assert await workloads(api, settings, "llm-workers-0-0") == []  # a controller's pod is not a workload


@pytest.mark.usefixtures("trainings")
async def test_a_kind_the_service_may_not_read_ends_the_chain_and_is_named(
    cluster: Cluster, settings: KubeSettings, api: Api
) -> None:
    space = settings.namespace
    below = training(cluster, "secret-workers", space, training(cluster, "secret", space))
    stranger = await _without_rights(api, cluster, settings)
    with structlog.testing.capture_logs() as logs:
        owned = await Owners(stranger).above({"namespace": space, "ownerReferences": [below]}, frozenset({"secret"}))
    await stranger.close()
    assert not owned
    assert [(line["kind"], line["remedy"]) for line in logs] == [
        ("Training", "allow get on trainings in the chart value rbac.workloadRules")
    ]


async def test_a_label_names_the_workload_of_pods_without_an_owner(
    api: Api, cluster: Cluster, settings: KubeSettings, ghost: str
) -> None:
    cluster.apply(pod("ray-head", settings.namespace, ghost, labels={"kubetest/workload": "ray"}))
    assert await workloads(api, settings, "ray") == found_on(settings, "ray", ghost)


async def test_a_workload_outside_every_workspace_is_not_found(
    api: Api, cluster: Cluster, settings: KubeSettings, ghost: str
) -> None:
    cluster.apply(pod("outside", settings.jobs_namespace, ghost))
    assert await workloads(api, settings, "outside") == []


@pytest.mark.parametrize("name", ["never", "", "..", "A B", "x,metadata.name=y"])
async def test_what_is_not_there_or_cannot_be_is_not_found(api: Api, settings: KubeSettings, name: str) -> None:
    assert await workloads(api, settings, name) == []


async def _without_rights(api: Api, cluster: Cluster, settings: KubeSettings) -> Api:
    """A client of an account that may read nothing, at the same apiserver."""
    from kubernetes.aio.client.api_client import ApiClient  # noqa: PLC0415 - only here
    from kubernetes.aio.client.configuration import Configuration  # noqa: PLC0415 - only here

    cluster.kubectl("create", "serviceaccount", "stranger", "-n", settings.namespace)
    token = cluster.kubectl("create", "token", "stranger", "-n", settings.namespace).strip()
    known = api._client.configuration
    configuration = Configuration(host=known.host, api_key={"BearerToken": f"Bearer {token}"})
    configuration.ssl_ca_cert = known.ssl_ca_cert
    return Api(ApiClient(configuration))


async def test_a_workloads_pods_are_named_the_oldest_first(
    api: Api, cluster: Cluster, settings: KubeSettings, ghost: str
) -> None:
    def made(name: str) -> datetime:
        cluster.apply(pod(name, settings.namespace, ghost, labels={"kubetest/workload": "aged"}))
        return datetime.fromisoformat(
            cluster.get("pod", name, "-n", settings.namespace)["metadata"]["creationTimestamp"]
        )

    # Kubernetes tells times of creation in whole seconds.
    first = made("aged-z")
    wait_for("the next second", lambda: datetime.now(UTC) - first >= timedelta(seconds=1))
    made("aged-a")
    (found,) = (await found_workloads(api, settings, ["aged"], {"team-a": settings.namespace}))["aged"]
    assert found.pods == ("aged-z", "aged-a")

"""A pod as the apiserver answers it, read for an export."""

from typing import Any

from service.domain.cluster_objects import Container, Pod
from service.kube.pods import pod_of

ITEM: dict[str, Any] = {
    "metadata": {"name": "train-0", "namespace": "team-a"},
    "spec": {
        "containers": [{"name": "train", "image": "rocm/pytorch:latest"}, {"name": "sidecar", "image": "proxy:1"}],
        "initContainers": [{"name": "fetch", "image": "fetch:1"}],
        "imagePullSecrets": [{"name": "team-registry"}, {}],
    },
    "status": {
        # Kubernetes sorts them by name.
        "containerStatuses": [
            {"name": "sidecar", "imageID": "", "state": {"waiting": {"reason": "ErrImagePull", "message": "denied"}}},
            {"name": "train", "imageID": "docker.io/rocm/pytorch@sha256:1", "containerID": "cri-o://0123"},
        ],
    },
}


def test_containers_are_in_the_order_of_the_spec_with_what_their_nodes_say() -> None:
    assert pod_of(ITEM) == Pod(
        name="train-0",
        namespace="team-a",
        containers=(
            Container("train", "rocm/pytorch:latest", "docker.io/rocm/pytorch@sha256:1", runtime="cri-o"),
            Container("sidecar", "proxy:1", waits_for="ErrImagePull: denied"),
        ),
        init_containers=(Container("fetch", "fetch:1"),),
        pull_secrets=("team-registry",),
    )


def test_a_pod_that_no_node_has_yet_says_nothing() -> None:
    pod = pod_of({**ITEM, "spec": {"containers": [{"name": "train"}]}, "status": {"phase": "Pending"}})
    assert pod == Pod("train-0", "team-a", (Container("train", ""),))

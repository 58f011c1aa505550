"""What a stolen token of the service could have Argo's controller start, by the parameter that patches a pod."""

from collections.abc import Iterator

import pytest

from tests.e2e.apiserver import Apiserver, refusal
from tests.e2e.live import Cluster
from tests.e2e.step_pods import patched, pod


@pytest.fixture(scope="module")
def argo(cluster: Cluster) -> Iterator[Apiserver]:
    """What Argo's controller does with what a stolen token made it do."""
    controller = Apiserver(cluster, "argo", "argo")
    yield controller
    controller.close()


EVIL = {"name": "evil", "image": "evil:1", "command": ["true"]}


@pytest.mark.parametrize("account", ["opsjob-addon", "opsjob-reboot", "opsjob-exportimage", "opsjob-preflight"])
def test_every_other_step_runs_the_image_of_the_product(cluster: Cluster, argo: Apiserver, account: str) -> None:
    pods = f"/api/v1/namespaces/{cluster.jobs}/pods"
    answer = argo.create(pods, pod(cluster, account, cluster.image))
    assert answer.status_code == 201, answer.text
    for image in ("evil:1", f"evil.example/{cluster.image}", f"{cluster.image}/evil"):
        assert "admission.stepImages" in refusal(argo.create(pods, pod(cluster, account, image)))
    within = patched(pod(cluster, account, cluster.image), {"initContainers": [EVIL]})
    assert "admission.stepImages" in refusal(argo.create(pods, within))

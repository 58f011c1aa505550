"""Every step of every installed template may start as Argo makes it: admission's lists are whole."""

from collections.abc import Iterator

import pytest

from tests.e2e.apiserver import Apiserver
from tests.e2e.live import Cluster
from tests.e2e.step_pods import pod, steps


@pytest.fixture(scope="module")
def argo(cluster: Cluster) -> Iterator[Apiserver]:
    """Argo's controller."""
    controller = Apiserver(cluster, "argo", "argo")
    yield controller
    controller.close()


def test_every_step_of_every_type_is_admitted(cluster: Cluster, argo: Apiserver) -> None:
    found = steps(cluster)
    assert {step.partition("/")[0] for step in found} == {"addon", "preflight", "dumplog", "reboot", "exportimage"}
    for step in found:
        answer = argo.create(f"/api/v1/namespaces/{cluster.jobs}/pods", pod(cluster, step))
        assert answer.status_code == 201, f"{step}: {answer.text}"


def test_what_argo_puts_into_a_config_map_of_the_pods_name_is_mounted(cluster: Cluster, argo: Apiserver) -> None:
    made = pod(cluster, "addon/node")
    name = made["metadata"]["name"]
    patch = {"volumes": [{"name": "argo-env-config", "configMap": {"name": name}}]}
    answer = argo.create(f"/api/v1/namespaces/{cluster.jobs}/pods", pod(cluster, "addon/node", patch))
    assert answer.status_code == 201, answer.text

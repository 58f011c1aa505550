"""The service satisfies the restricted Pod Security Standard, and runs as nobody on a root it cannot write to."""

import json
import secrets
from collections.abc import Iterator

import pytest

from tests.e2e.live import Cluster
from tests.kube.conftest import namespace

LEVEL = "pod-security.kubernetes.io"


@pytest.fixture
def restricted(cluster: Cluster) -> Iterator[str]:
    """A namespace that takes nothing else."""
    name = f"restricted-{secrets.token_hex(3)}"
    cluster.apply(namespace(name, **{f"{LEVEL}/enforce": "restricted", f"{LEVEL}/enforce-version": "latest"}))
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def test_the_services_pod_is_taken_where_only_restricted_ones_are(cluster: Cluster, restricted: str) -> None:
    deployment = cluster.get("deployment", "opsjobs", "-n", cluster.facts["namespace"])
    spec = deployment["spec"]["template"]["spec"]
    # The local cluster has no storage class: its records lie in a directory of the node, by a volume of its own.
    assert all("hostPath" not in volume for volume in spec["volumes"])
    del spec["serviceAccountName"], spec["serviceAccount"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "service", "namespace": restricted}, "spec": spec}
    cluster.kubectl("create", "--dry-run=server", "-f", "-", text=json.dumps(pod))
    spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    refused = cluster.run("kubectl", "create", "--dry-run=server", "-f", "-", text=json.dumps(pod), check=False)
    assert refused == ""


def test_the_release_namespace_could_be_labelled_restricted(cluster: Cluster) -> None:
    home = cluster.facts["namespace"]
    said = cluster.kubectl("label", "--dry-run=server", "--overwrite", "namespace", home, f"{LEVEL}/enforce=restricted")
    assert "labeled" in said


def in_the_service(cluster: Cluster, *command: str) -> str:
    home = cluster.facts["namespace"]
    return cluster.kubectl("exec", "deployment/opsjobs", "-c", "service", "-n", home, "--", *command, check=False)


def test_the_image_runs_as_nobody_on_a_read_only_root(cluster: Cluster) -> None:
    who = in_the_service(cluster, "python3", "-c", "import os; print(os.getuid(), os.getgid())").split()
    assert who == ["65532", "65532"]
    script = "import os; print([p for p in ('/', '/etc', '/usr', '/opt', '/root', '/home') if os.access(p, os.W_OK)])"
    assert in_the_service(cluster, "python3", "-c", script).strip() == "[]"
    caps = in_the_service(cluster, "cat", "/proc/self/status")
    assert "CapEff:\t0000000000000000" in caps
    assert "NoNewPrivs:\t1" in caps

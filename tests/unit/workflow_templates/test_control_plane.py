"""Which nodes run the cluster itself: these take the right in the whole cluster, and reboot one at a time."""

import pytest

from workflow_templates.protocol.node_state import is_control_plane

ROLE = "node-role.kubernetes.io"


@pytest.mark.parametrize("role", ["control-plane", "master", "etcd"])
def test_by_label_or_by_taint(role: str) -> None:
    assert is_control_plane({"metadata": {"labels": {f"{ROLE}/{role}": ""}}})
    assert is_control_plane({"metadata": {}, "spec": {"taints": [{"key": f"{ROLE}/{role}", "effect": "NoExecute"}]}})


def test_a_worker_is_none() -> None:
    assert not is_control_plane({"metadata": {"labels": {f"{ROLE}/worker": "", "etcd": "true"}}})

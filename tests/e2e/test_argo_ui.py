"""Argo's own UI shows jobs to a person with a token that may only look."""

import httpx
import pytest

from tests.e2e.live import Cluster


def test_without_a_token_nothing_is_shown(cluster: Cluster) -> None:
    address = f"{cluster.facts['argoUrl']}/api/v1/workflows/{cluster.jobs}"
    assert httpx.get(address, verify=cluster.trust).status_code == 401


@pytest.mark.parametrize("right", ["delete workflows", "update workflows", "create workflows", "create pods/exec"])
def test_the_account_that_looks_changes_nothing(cluster: Cluster, right: str) -> None:
    verb, resource = right.split()
    who = "--as=system:serviceaccount:argo:argo-reader"
    assert cluster.kubectl("auth", "can-i", verb, resource, "-n", cluster.jobs, who, check=False).strip() == "no"

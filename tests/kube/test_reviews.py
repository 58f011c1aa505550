"""Who somebody is and what they may do, as a real apiserver says."""

import pytest

from service.domain.cluster_objects import Caller
from service.kube.client import Api, KubeSettings
from service.kube.reviews import KubeReviews
from tests.e2e.live import Cluster


@pytest.fixture
def reviews(api: Api, settings: KubeSettings) -> KubeReviews:
    return KubeReviews(api, settings, seconds=0)


@pytest.fixture(scope="module")
def account(cluster: Cluster, settings: KubeSettings) -> str:
    """May stop addon jobs of one namespace and read its pods, nothing else."""
    space = settings.namespace
    cluster.kubectl("create", "serviceaccount", "alice", "-n", space)
    cluster.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "alice", "namespace": space},
            "rules": [
                {"apiGroups": ["opsjob.io"], "resources": ["opsjobs/addon"], "verbs": ["update"]},
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
            ],
        }
    )
    cluster.kubectl("create", "rolebinding", "alice", "--role=alice", f"--serviceaccount={space}:alice", "-n", space)
    return "alice"


async def known(reviews: KubeReviews, cluster: Cluster, settings: KubeSettings, account: str) -> Caller:
    caller = await reviews.caller(cluster.token(account, settings.namespace))
    assert caller
    return caller


async def test_a_token_for_our_audience_names_its_account(
    reviews: KubeReviews, cluster: Cluster, settings: KubeSettings, account: str
) -> None:
    caller = await known(reviews, cluster, settings, account)
    assert caller.user_name == f"system:serviceaccount:{settings.namespace}:alice"
    assert caller.user_id == cluster.get("serviceaccount", "alice", "-n", settings.namespace)["metadata"]["uid"]
    assert "system:serviceaccounts" in caller.groups


async def test_a_token_for_another_audience_is_nobodys(
    reviews: KubeReviews, cluster: Cluster, settings: KubeSettings, account: str
) -> None:
    assert await reviews.caller(cluster.token(account, settings.namespace, audience="somewhere-else")) is None


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "ünï\u0000code", "x" * 20_000], ids=lambda token: token[:8])
async def test_nonsense_is_nobodys(reviews: KubeReviews, token: str) -> None:
    assert await reviews.caller(token) is None


async def test_rights_are_those_of_the_namespace(
    reviews: KubeReviews, cluster: Cluster, settings: KubeSettings, account: str
) -> None:
    caller = await known(reviews, cluster, settings, account)
    assert await reviews.may(caller, "update", "addon", settings.namespace)
    assert not await reviews.may(caller, "update", "reboot", settings.namespace)
    assert not await reviews.may(caller, "create", "addon", settings.namespace)
    assert not await reviews.may(caller, "update", "addon", settings.jobs_namespace)
    assert not await reviews.may(caller, "update", "addon", None)


async def test_the_callers_own_right_to_pods(
    reviews: KubeReviews, cluster: Cluster, settings: KubeSettings, account: str
) -> None:
    caller = await known(reviews, cluster, settings, account)
    assert await reviews.may_get(caller, settings.namespace, "pods")
    assert not await reviews.may_get(caller, settings.namespace, "pods/log")


async def test_who_is_in_the_masters_group_may_everything(reviews: KubeReviews) -> None:
    assert await reviews.may(Caller("root", "root", ("system:masters",)), "delete", "reboot", None)

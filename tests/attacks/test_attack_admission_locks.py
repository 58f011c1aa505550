"""Issue 16, row 15: what the token of a step of any job may do to the locks of others.

Before: every account that locks nodes could free and take every node lock, of jobs in work too, so that two jobs worked
on one node; and a job could note that it had waited for every node since long ago, which all others then left to it.
"""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.attacks.impersonation import Thief, User, admitted, refused
from tests.e2e.live import Cluster
from workflow_templates.protocol import labels, node_lock

OWN, VICTIMS = "theft-a1b2c3", "victim-d4e5f6"
IN_ITS_OWN_NAME, TAKES_OVER, FREES = "in the name of its own job", "takes over", "frees what its own job has"
WHAT_ITS_TYPE_WORKS_ON, TAKES_NOTHING = "jobs of its type work on", "takes nothing"
#: No node of the cluster: nothing works on it.
NODE = f"no-node-{secrets.token_hex(3)}"


def lease(name: str, holder: str, job: str | None = None, **notes: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": {labels.JOB_ID: job or holder}, "annotations": notes}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {"holderIdentity": holder},
    }


def taking(notes: dict[str, str | None] | None = None) -> dict[str, Any]:
    metadata = {"labels": {labels.JOB_ID: OWN}, "annotations": notes or {}}
    return {"metadata": metadata, "spec": {"holderIdentity": OWN}}


def noting(**notes: str | None) -> dict[str, Any]:
    return {"metadata": {"annotations": notes}}


@pytest.fixture(scope="module")
def leases(cluster: Cluster) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{cluster.jobs}/leases"


@pytest.fixture
def step(cluster: Cluster, thief: Thief) -> Callable[..., User]:
    """The token of a step of the thief's own job, on that node."""

    def of(kind: str, template: str = "node", *, job: str = OWN, on: str = NODE) -> User:
        return thief.with_token_of(f"opsjob-{kind}", cluster.jobs, pod=f"{job}-{template}-1", node=on)

    return of


@pytest.fixture
def lockers(step: Callable[..., User]) -> list[User]:
    """A step of each type that locks nodes."""
    return [step("addon"), step("addon", "restore"), step("reboot", "lease", on=""), step("preflight", "lease", on="")]


@pytest.fixture(scope="module")
def victims(cluster: Cluster) -> Iterator[str]:
    """A job with a Workflow, of which Argo runs nothing: the service frees only what a job has that is over or lost."""
    name = f"victim-{secrets.token_hex(3)}"
    spec = {"suspend": True, "entrypoint": "none", "templates": [{"name": "none", "suspend": {}}]}
    metadata = {"name": name, "namespace": cluster.jobs}
    cluster.apply({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": spec})
    yield name
    cluster.kubectl("delete", "workflow", name, "-n", cluster.jobs)


@pytest.fixture
def locked(cluster: Cluster, victims: str, leases: str) -> Iterator[Callable[..., str]]:
    """Make a Lease that the victims' job has; returns its path."""
    made: list[str] = []

    def make(name: str, **notes: str) -> str:
        body = lease(name, victims, **notes)
        cluster.apply({**body, "metadata": {**body["metadata"], "namespace": cluster.jobs}})
        made.append(name)
        return f"{leases}/{name}"

    yield make
    cluster.kubectl("delete", "lease", *set(made), "-n", cluster.jobs)


def test_a_step_locks_in_the_name_of_its_own_job(lockers: list[User], leases: str) -> None:
    for user in (lockers[0], *lockers[2:]):
        assert admitted(user.create(leases, lease(f"node-{NODE}", OWN)))
        assert refused(user.create(leases, lease(f"node-{NODE}", VICTIMS)), IN_ITS_OWN_NAME)
        assert refused(user.create(leases, lease(f"node-{NODE}", OWN, job=VICTIMS)), IN_ITS_OWN_NAME)
        assert refused(user.create(leases, lease(f"node-{NODE}", "")), IN_ITS_OWN_NAME)


def test_a_step_takes_what_its_type_works_on(step: Callable[..., User], leases: str) -> None:
    turn, export = node_lock.CONTROL_PLANE, "export-0123456789abcdef"
    reboot, preflight = step("reboot", "lease", on=""), step("preflight", "lease", on="")
    addon, exports = step("addon"), step("exportimage", "export", on="")
    own_ledger = f"rollout-{OWN}"
    for user, name in (
        *((reboot, turn), (reboot, own_ledger), (addon, own_ledger)),
        *((preflight, f"waiting-{OWN}"), (exports, export)),
    ):
        assert admitted(user.create(leases, lease(name, OWN)))
    for user, name in (
        (addon, "node-another"),  # than the one that its pod is on
        (addon, turn),
        (preflight, turn),
        (preflight, f"waiting-{VICTIMS}"),
        (preflight, export),
        (reboot, export),
        (addon, f"rollout-{VICTIMS}"),
        (reboot, f"rollout-{VICTIMS}"),
        (exports, f"node-{NODE}"),
        (exports, "anything"),
    ):
        assert refused(user.create(leases, lease(name, OWN)), WHAT_ITS_TYPE_WORKS_ON)


def test_of_a_job_that_goes_on_nothing_is_taken_changed_or_freed(
    lockers: list[User], step: Callable[..., User], victims: str, locked: Callable[..., str]
) -> None:
    path = locked(f"node-{NODE}")
    for user in lockers:
        assert refused(user.patch(path, taking()), TAKES_OVER)
        assert refused(user.patch(path, taking({labels.JOB_OVER: victims})), TAKES_OVER)
        assert refused(user.patch(path, noting(**{labels.JOB_OVER: victims})), IN_ITS_OWN_NAME)
        assert refused(user.patch(path, {"spec": {"holderIdentity": ""}}), IN_ITS_OWN_NAME)
        assert refused(user.delete(path), FREES)
    owners = step("addon", job=victims)
    assert admitted(owners.patch(path, noting(**{labels.WORK_BEGUN: "{}"})))
    assert refused(owners.patch(path, taking()), IN_ITS_OWN_NAME)
    assert admitted(owners.delete(path))


def test_what_a_job_that_is_over_has_left_is_taken_over_but_not_freed(
    lockers: list[User], victims: str, locked: Callable[..., str]
) -> None:
    path = locked(f"node-{NODE}", **{labels.JOB_OVER: victims})
    for user in (lockers[0], *lockers[2:]):
        assert admitted(user.patch(path, taking({labels.JOB_OVER: None})))
        assert refused(user.delete(path), FREES)
    of_another = locked(f"node-{NODE}", **{labels.JOB_OVER: "somebody-a1b2c3"})
    assert all(refused(user.patch(of_another, taking()), TAKES_OVER) for user in lockers)


def test_the_service_frees_and_says_that_a_job_is_over_and_takes_nothing(
    cluster: Cluster, thief: Thief, victims: str, locked: Callable[..., str]
) -> None:
    service = thief.with_token_of("opsjobs", cluster.facts["namespace"])
    path = locked(f"node-{NODE}")
    assert admitted(service.patch(path, noting(**{labels.JOB_OVER: victims})))
    assert admitted(service.delete(path))
    for change in (taking(), noting(**{labels.JOB_OVER: OWN}), noting(**{labels.WORK_BEGUN: "{}"})):
        assert refused(service.patch(path, change), TAKES_NOTHING)

"""Contract, Who may do what: every caller against every call, on the real service and the real apiserver."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from service.domain.job import JobType
from tests.cluster_fixtures import held_nodes, workers_for_workloads
from tests.e2e import tokens
from tests.e2e.live import CLUSTER_ID, SLEEPER, Cluster, wait_for
from tests.e2e.registries import BASE
from tests.kube.conftest import namespace

#: Every process would make a world of its own.
pytestmark = pytest.mark.xdist_group("who may")

JOBS = "/api/v1/opsjobs"
GROUP = "rbac.authorization.k8s.io"
TYPES = tuple(str(kind) for kind in JobType)

#: Fields that a type needs beside name, type and inputs.
FIELDS: dict[str, dict[str, Any]] = {"preflight": {"image": "busybox:opsjobs", "entryPoint": "dHJ1ZQ=="}}

#: Who may create which types in workspace A. dumplog and exportimage also need a right to the workload's pods.
CREATE: dict[str, set[str]] = {
    "viewer": set(),
    "workspace user": {"preflight", "dumplog", "exportimage"},
    "workspace user without a right to pods": {"preflight"},
    "owner": {"addon", "dumplog"},
    "other user": set(),
    "user of another workspace": set(),
    "operator": {"addon", "preflight", "reboot"},
    "admin": set(TYPES),
}
#: What becomes of the owner's job in workspace A: is it in the caller's list; get, stop, delete.
ON_A_JOB: dict[str, dict[str, tuple[bool, int, int, int]]] = {
    "addon": {
        "viewer": (True, 200, 403, 403),
        "workspace user": (False, 404, 404, 404),
        "owner": (True, 200, 200, 200),
        "other user": (False, 404, 404, 404),
        "user of another workspace": (False, 404, 404, 404),
        "operator": (True, 200, 200, 403),
        "admin": (True, 200, 200, 200),
    },
    "dumplog": {
        "viewer": (True, 200, 403, 403),
        "workspace user": (True, 200, 403, 403),
        "owner": (True, 200, 200, 200),
        "other user": (False, 404, 404, 404),
        "user of another workspace": (False, 404, 404, 404),
        "operator": (True, 200, 200, 403),
        "admin": (True, 200, 200, 200),
    },
}
SELECTORS = ("workload", "node", "workspace", "cluster")
NOBODY = ("no token", "bad token", "expired", "wrong audience", "wrong signer", "not a bearer")


@dataclass
class World:
    """Two workspaces, a pod in the first, and callers by what they are."""

    cluster: Cluster
    home: str
    other: str
    workload: str
    template: str
    node: str
    tokens: dict[str, str] = field(default_factory=dict)
    #: Job type → the owner's job of that type.
    jobs: dict[str, str] = field(default_factory=dict)

    def ask(self, who: str, method: str, path: str, **given: Any) -> httpx.Response:
        token = self.tokens.get(who)
        headers = {"Authorization": token if who == "not a bearer" else f"Bearer {token}"} if token else {}
        url, trust = self.cluster.facts["url"] + path, self.cluster.trust
        return httpx.request(method, url, headers=headers, timeout=60, verify=trust, **given)

    def order(self, kind: str, selector: str = "workload") -> dict[str, Any]:
        """A request for a job of that type on the workload, and so in workspace A; or on what else is named."""
        places = {
            "workload": self.workload,
            "node": self.node,
            "workspace": self.home,
            "cluster": CLUSTER_ID,
        }
        # These two are about a workload, whatever else narrows them.
        kinds = {selector, "workload"} if kind in ("dumplog", "exportimage") else {selector}
        inputs = [{"name": name, "value": places[name]} for name in sorted(kinds)]
        if kind == "addon":
            inputs.append({"name": "addon.template", "value": self.template})
        return {"name": f"{self.home} {kind}", "type": kind, "inputs": inputs, **FIELDS.get(kind, {})}

    def ended(self, job_id: str) -> bool:
        return self.ask("admin", "GET", f"{JOBS}/{job_id}").json()["phase"] in ("Succeeded", "Failed")

    def dry(self, who: str, kind: str) -> httpx.Response:
        return self.ask(who, "POST", f"{JOBS}?dryRun=true", json=self.order(kind))


def role(name: str, *rules: tuple[str, list[str], list[str]]) -> dict[str, Any]:
    listed = [{"apiGroups": [group], "resources": resources, "verbs": verbs} for group, resources, verbs in rules]
    return {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": listed}


def bound(account: str, home: str, to: str, *, within: str = "") -> dict[str, Any]:
    metadata = {"name": f"{home}-{account}-{to}", **({"namespace": within} if within else {})}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding" if within else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": to},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": home}],
    }


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> Iterator[str]:
    """A node of this module's own; a right in a workspace reaches those that are labelled for it, and no other."""
    with held_nodes(cluster, workers_for_workloads(cluster), 1) as (name,):
        yield name
        cluster.kubectl("label", "node", name, "opsjob.io/workspace-")


@pytest.fixture(scope="module")
def world(cluster: Cluster, node: str) -> Iterator[World]:
    suffix = secrets.token_hex(3)
    home, other, template = f"who-{suffix}", f"who-{suffix}-b", f"who-{suffix}"
    mine = f"who-{suffix}-own"
    made = World(cluster, home, other, f"sleeper-{suffix}", template, node)
    cluster.kubectl("label", "node", node, f"opsjob.io/workspace={home}")
    accounts = {who: who.replace(" ", "-") for who in CREATE}
    cluster.apply(namespace(home, **{"opsjob.io/workspace": home}), namespace(other, **{"opsjob.io/workspace": other}))
    own = ("opsjob.io", ["opsjobs/addon", "opsjobs/dumplog"], ["create"])
    bindings = {
        "viewer": [("opsjobs-viewer", "")],
        "workspace user": [("opsjobs-workspace-user", home), ("view", home)],
        "workspace user without a right to pods": [("opsjobs-workspace-user", home)],
        "owner": [(mine, home)],
        "user of another workspace": [("opsjobs-workspace-user", other), ("view", other)],
        "operator": [("opsjobs-operator", "")],
        "admin": [("opsjobs-admin", ""), ("view", home)],
    }
    pods = ("", ["pods", "pods/log"], ["get"])
    objects = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": home}}
        for name in accounts.values()
    ]
    objects += [role(mine, own, pods)]
    objects += [
        bound(accounts[who], home, to, within=within) for who, roles in bindings.items() for to, within in roles
    ]
    objects += [
        {
            "apiVersion": "opsjob.io/v1alpha1",
            "kind": "AddonTemplate",
            "metadata": {"name": template},
            "spec": {"description": "made by a test", "script": "true"},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": made.workload, "namespace": home},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "nodeName": node,
                # Pulled, so that its node knows the registry it came from and exportimage has something to copy.
                "containers": [{**SLEEPER, "image": f"docker.io/{BASE}", "imagePullPolicy": "Always"}],
            },
        },
    ]
    cluster.apply(*objects)
    made.tokens = {who: cluster.token(name, home) for who, name in accounts.items()}
    good = made.tokens["admin"]
    made.tokens |= {
        "bad token": "eyJhbGciOiJub25lIn0.e30.",
        "expired": tokens.ending_in(-60, good, cluster),
        "wrong audience": cluster.token("admin", home, audience="https://elsewhere.example"),
        "wrong signer": tokens.of_another_signer(good),
        "not a bearer": f"Basic {good}",
    }
    cluster.kubectl("wait", f"pod/{made.workload}", "-n", home, "--for=condition=Ready", "--timeout=300s")
    wait_for("the new workspaces to be known", lambda: made.dry("workspace user", "preflight").status_code != 403)
    try:
        for kind in ON_A_JOB:
            answer = made.ask("owner", "POST", JOBS, json=made.order(kind))
            assert answer.status_code == 200, answer.text
            made.jobs[kind] = answer.json()["jobId"]
        yield made
    finally:
        for job_id in made.jobs.values():
            made.ask("admin", "DELETE", f"{JOBS}/{job_id}")
            wait_for(f"the end of {job_id}", lambda job_id=job_id: made.ended(job_id))  # type: ignore[misc]
        cluster.kubectl("delete", "namespace", home, other, "--wait=false")
        cluster.kubectl("delete", "addontemplate", template)
        cluster.kubectl("delete", "clusterrole", mine)
        names = [
            f"{home}-{accounts[who]}-{to}" for who, roles in bindings.items() for to, within in roles if not within
        ]
        cluster.kubectl("delete", "clusterrolebinding", *names)


CALLS: dict[str, tuple[str, str]] = {
    **{f"create {kind}": ("POST", f"{JOBS}?dryRun=true") for kind in TYPES},
    "list": ("GET", JOBS),
    "get": ("GET", f"{JOBS}/{{job}}"),
    "stop": ("POST", f"{JOBS}/{{job}}/stop"),
    "delete": ("DELETE", f"{JOBS}/{{job}}"),
    "metrics": ("GET", "/metrics"),
    "docs": ("GET", "/openapi.json"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("who", NOBODY)
def test_nobody_gets_anything_but_401(world: World, who: str, call: str) -> None:
    method, path = CALLS[call]
    body = {"json": world.order(call.removeprefix("create "))} if call.startswith("create") else {}
    answer = world.ask(who, method, path.format(job=world.jobs["addon"]), **body)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["errorCode"] == "UNAUTHORIZED"


def test_the_expired_token_would_have_been_good(world: World) -> None:
    world.tokens["in time"] = tokens.ending_in(600, world.tokens["admin"], world.cluster)
    assert world.ask("in time", "GET", JOBS).status_code == 200


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("who", CREATE)
def test_create(world: World, who: str, kind: str) -> None:
    answer = world.dry(who, kind)
    assert answer.status_code == (200 if kind in CREATE[who] else 403), answer.text
    assert ("plan" in answer.json()) == (kind in CREATE[who])
    # What a pod runs is for those who may read the pod.
    assert kind in CREATE[who] or "docker.io" not in answer.text


#: Who may not create which type anywhere; and, of those who may in workspace A, what they may not beyond it.
REFUSED = [
    (who, kind, selector) for who in CREATE for kind in TYPES if kind not in CREATE[who] for selector in SELECTORS
]
REFUSED += [("workspace user", "preflight", selector) for selector in ("node", "cluster")]
REFUSED += [("owner", "addon", selector) for selector in ("node", "cluster")]


@pytest.mark.parametrize(("who", "kind", "selector"), REFUSED)
def test_who_may_not_create_a_job_gets_none(world: World, who: str, kind: str, selector: str) -> None:
    order = world.order(kind, selector)
    answer = world.ask(who, "POST", JOBS, json={**order, "name": f"{world.home} refused"})
    assert answer.status_code == 403, answer.text
    query = {"jobName": f"{world.home} refused", "includeDeleted": "true"}
    assert world.ask("admin", "GET", JOBS, params=query).json()["totalCount"] == 0


@pytest.mark.parametrize("kind", ON_A_JOB)
@pytest.mark.parametrize("who", ON_A_JOB["addon"])
def test_list_get_stop_delete(world: World, who: str, kind: str) -> None:
    """The owner's job. Whoever may delete it comes last, and a deleted job still answers who may see it."""
    job, (listed, get, stop, delete) = world.jobs[kind], ON_A_JOB[kind][who]
    query = {"jobName": world.order(kind)["name"], "includeDeleted": "true"}
    page = world.ask(who, "GET", JOBS, params=query).json()
    assert ([item["jobId"] for item in page["items"]], page["totalCount"]) == (([job], 1) if listed else ([], 0))
    assert world.ask(who, "GET", f"{JOBS}/{job}").status_code == get
    assert world.ask(who, "POST", f"{JOBS}/{job}/stop").status_code == stop
    assert world.ask(who, "DELETE", f"{JOBS}/{job}").status_code == delete


@pytest.mark.parametrize("who", ON_A_JOB["addon"])
def test_a_list_without_a_filter_shows_what_get_shows(world: World, who: str) -> None:
    page = world.ask(who, "GET", JOBS, params={"includeDeleted": "true", "limit": 1000}).json()
    shown = {item["jobId"] for item in page["items"]}
    expected = {job for kind, job in world.jobs.items() if ON_A_JOB[kind][who][0]}
    assert shown & set(world.jobs.values()) == expected
    assert page["totalCount"] == len(page["items"]) or page["totalCount"] > 1000
    if who in ("owner", "other user", "workspace user", "user of another workspace"):
        assert shown == expected


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json"])
@pytest.mark.parametrize("who", CREATE)
def test_whoever_is_known_reads_metrics_and_the_schema(world: World, who: str, path: str) -> None:
    """They name no job and no caller."""
    answer = world.ask(who, "GET", path)
    assert answer.status_code == 200
    assert not [job for job in world.jobs.values() if job in answer.text]
    assert world.home not in answer.text


@pytest.mark.parametrize(("who", "status"), [("owner", 403), ("operator", 403), ("viewer", 403), ("admin", 200)])
def test_what_others_did_is_for_who_has_the_right_to_see_it(world: World, who: str, status: int) -> None:
    answer = world.ask(who, "GET", "/api/v1/audit", params={"jobId": world.jobs["addon"]})
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["items"][-1]["action"] == "create"


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/", "/api/v1", f"{JOBS}/no-such-job-a1b2c3"])
@pytest.mark.parametrize("who", ["other user", "admin"])
def test_there_is_nothing_else(world: World, who: str, path: str) -> None:
    assert world.ask(who, "GET", path).status_code == 404


@pytest.mark.parametrize(("path", "word"), [("/healthz", ""), ("/readyz", "ready")])
def test_probes_ask_nobody_who_they_are_and_say_one_word(world: World, path: str, word: str) -> None:
    answer = world.ask("no token", "GET", path)
    assert (answer.status_code, answer.text) == (200, word)


def test_what_is_away_is_for_callers_to_know(world: World) -> None:
    assert world.ask("no token", "GET", "/readyz?verbose").status_code == 401
    assert world.ask("other user", "GET", "/readyz?verbose").text == "ready"


def test_the_link_to_logs_is_for_their_owner_and_for_who_may_read_them(world: World) -> None:
    """The last test: the owner has a job more after it."""
    answer = world.ask("owner", "POST", JOBS, json={**world.order("dumplog"), "name": f"{world.home} link"})
    assert answer.status_code == 200, answer.text
    job = answer.json()["jobId"]
    try:
        wait_for(f"the end of {job}", lambda: world.ended(job))
        readers, shown = {"owner", "workspace user", "admin"}, {}
        for who in (*readers, "viewer", "operator"):
            found = world.ask(who, "GET", f"{JOBS}/{job}").json()
            assert found["phase"] == "Succeeded", found["conditions"]
            shown[who] = {output["name"] for output in found["outputs"]}
        assert {who for who, outputs in shown.items() if outputs == {"endpoint", "log"}} == readers
        assert all(outputs == {"log"} for who, outputs in shown.items() if who not in readers)
        # What its step writes, and the archive through the service, as the link.
        for path in ("log", "outputs/archive"):
            answers = {who: world.ask(who, "GET", f"{JOBS}/{job}/{path}").status_code for who in shown}
            assert answers == {who: 200 if who in readers else 403 for who in shown}
            assert world.ask("other user", "GET", f"{JOBS}/{job}/{path}").status_code == 404
    finally:
        world.ask("admin", "DELETE", f"{JOBS}/{job}")

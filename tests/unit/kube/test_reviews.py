"""What a TokenReview's answer makes of a caller, and how long answers are kept."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from service.domain.cluster_objects import Caller
from service.jobs.ports import UnavailableError
from service.kube.client import Api, KubeSettings
from service.kube.reviews import KubeReviews, caller_of
from tests.unit.kube.conftest import Served

ALICE = {"username": "alice", "uid": "u-1", "groups": ["ops"], "extra": {"scopes": ["a", "b"]}}


def accepted(user: dict[str, Any]) -> dict[str, Any]:
    return {"authenticated": True, "audiences": ["opsjobs"], "user": user}


def test_a_caller_is_who_kubernetes_says() -> None:
    assert caller_of(accepted(ALICE), "opsjobs") == Caller("u-1", "alice", ("ops",), {"scopes": ("a", "b")})


def test_a_user_without_a_uid_is_known_by_name() -> None:
    assert caller_of(accepted({"username": "bob"}), "opsjobs") == Caller("bob", "bob")


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"authenticated": False, "error": "expired"},
        {"authenticated": True, "user": ALICE},
        {"authenticated": True, "audiences": ["https://kubernetes.default.svc"], "user": ALICE},
    ],
    ids=["nothing", "refused", "no audience", "another audience"],
)
def test_a_token_for_nobody_or_for_another_audience_is_nobodys(status: dict[str, Any]) -> None:
    assert caller_of(status, "opsjobs") is None


class Reviewer:
    """An apiserver that knows one token, allows one verb, counts what it is asked, and can be away."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.away = False

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        spec = (await request.json())["spec"]
        self.asked.append(spec)
        await asyncio.sleep(0.01)
        if self.away:
            return web.json_response({"message": "etcd is away"}, status=500)
        if "token" in spec:
            known = spec["token"] == "good"
            return web.json_response({"status": accepted(ALICE) if known else {"authenticated": False}}, status=201)
        return web.json_response({"status": {"allowed": spec["resourceAttributes"]["verb"] == "get"}}, status=201)


def reviews(api: Api, seconds: float = 60) -> KubeReviews:
    return KubeReviews(api, KubeSettings(), seconds)


async def test_many_requests_with_one_token_ask_once(served: Served) -> None:
    reviewer = Reviewer()
    async with served(reviewer) as api:
        asking = reviews(api)
        callers = await asyncio.gather(*(asking.caller("good") for _ in range(16)))
    assert {caller.user_name for caller in callers if caller} == {"alice"}
    assert reviewer.asked == [{"token": "good", "audiences": ["opsjobs"]}]


async def test_another_token_is_another_question(served: Served) -> None:
    reviewer = Reviewer()
    async with served(reviewer) as api:
        asking = reviews(api)
        assert await asking.caller("good")
        assert await asking.caller("bad") is None


async def test_an_answer_is_forgotten_after_a_while(served: Served) -> None:
    reviewer = Reviewer()
    async with served(reviewer) as api:
        asking = reviews(api, seconds=0)
        await asking.caller("good")
        await asking.caller("good")
    assert len(reviewer.asked) == 2


async def test_a_failure_is_not_kept(served: Served) -> None:
    reviewer = Reviewer()
    async with served(reviewer) as api:
        asking = reviews(api)
        reviewer.away = True
        with pytest.raises(UnavailableError):
            await asking.caller("good")
        reviewer.away = False
        assert await asking.caller("good")


async def test_who_hangs_up_does_not_take_the_answer_from_others(served: Served) -> None:
    async with served(Reviewer()) as api:
        asking = reviews(api)
        first = asyncio.create_task(asking.caller("good"))
        second = asyncio.create_task(asking.caller("good"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second


async def test_rights_are_asked_for_the_whole_caller_and_kept_apart(served: Served) -> None:
    reviewer = Reviewer()
    caller = Caller("u-1", "alice", ("ops",), {"scopes": ("a",)})
    async with served(reviewer) as api:
        asking = reviews(api)
        assert await asking.may(caller, "get", "addon", None)
        assert not await asking.may(caller, "create", "addon", "team-a")
        assert await asking.may_get(caller, "team-a", "pods/log")
        assert await asking.may(caller, "get", "addon", None)
    assert [spec["resourceAttributes"] for spec in reviewer.asked] == [
        {"verb": "get", "group": "opsjob.io", "resource": "opsjobs", "subresource": "addon"},
        {
            "verb": "create",
            "group": "opsjob.io",
            "resource": "opsjobs",
            "subresource": "addon",
            "namespace": "team-a",
        },
        {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "team-a"},
    ]
    assert {spec["user"] for spec in reviewer.asked} == {"alice"}
    assert reviewer.asked[0]["groups"] == ["ops"]
    assert reviewer.asked[0]["extra"] == {"scopes": ["a"]}


@pytest.mark.parametrize(
    ("allowed", "readable", "asked"),
    [({None}, {"a", "b"}, [None]), ({"b"}, {"b"}, [None, "a", "b"]), (set(), set(), [None, "a", "b"])],
)
async def test_logs_of_nodes_are_read_by_a_right_to_all_or_to_the_one(
    served: Served, allowed: set[str | None], readable: set[str], asked: list[Any]
) -> None:
    class ByName(Reviewer):
        async def __call__(self, request: web.Request) -> web.StreamResponse:
            attributes = (await request.json())["spec"]["resourceAttributes"]
            self.asked.append(attributes)
            return web.json_response({"status": {"allowed": attributes.get("name") in allowed}}, status=201)

    reviewer = ByName()
    async with served(reviewer) as api:
        asking = reviews(api)
        for _ in range(2):
            assert await asking.readable_nodes(Caller("u", "alice"), ["a", "b"]) == readable
    names: list[Any] = [attributes.get("name") for attributes in reviewer.asked]
    assert (names[0], sorted(names[1:])) == (asked[0], asked[1:])
    assert {(a["verb"], a["resource"], a["subresource"]) for a in reviewer.asked} == {("get", "nodes", "log")}


async def test_the_text_of_templates_is_for_who_may_get_all_of_them(served: Served) -> None:
    reviewer = Reviewer()
    async with served(reviewer) as api:
        assert await reviews(api).may_get_templates(Caller("u", "alice"))
    assert reviewer.asked[0]["resourceAttributes"] == {
        "verb": "get",
        "group": "opsjob.io",
        "resource": "addontemplates",
    }


async def test_the_same_name_in_another_group_is_another_caller(served: Served) -> None:
    reviewer = Reviewer()
    async with served(reviewer) as api:
        asking = reviews(api)
        await asking.may(Caller("u", "alice", ("ops",)), "get", "addon", None)
        await asking.may(Caller("u", "alice", ()), "get", "addon", None)
    assert len(reviewer.asked) == 2


async def test_what_cannot_be_a_namespace_is_never_asked_cluster_wide(served: Served) -> None:
    reviewer = Reviewer()
    async with served(reviewer) as api:
        assert not await reviews(api).may(Caller("u", "alice"), "get", "addon", "")
    assert reviewer.asked == []


class Granting(Reviewer):
    """Grants list of addons everywhere and of dumplogs in one namespace."""

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        asked = (await request.json())["spec"]["resourceAttributes"]
        self.asked.append(asked)
        allowed = asked["subresource"] == "addon" or (
            asked["subresource"] == "dumplog" and asked.get("namespace") == "team-1"
        )
        return web.json_response({"status": {"allowed": allowed and asked["verb"] == "list"}}, status=201)


async def test_grants_are_asked_per_namespace_only_where_they_do_not_hold_everywhere(served: Served) -> None:
    reviewer, namespaces = Granting(), [f"team-{number}" for number in range(100)]
    async with served(reviewer) as api:
        asking = reviews(api)
        answers = await asyncio.gather(
            *(asking.granted(Caller("u-1", "alice"), "list", ["addon", "dumplog"], namespaces) for _ in range(8))
        )
    assert set(answers) == {frozenset({("addon", None), ("dumplog", "team-1")})}
    assert len(reviewer.asked) == 2 + 100


class Crowded(Granting):
    """Counts how many questions are under way at one time, at most, and tells when the last one came."""

    def __init__(self, questions: int) -> None:
        super().__init__()
        self.under_way, self.most = 0, 0
        self.left, self.asked_all = questions, asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0.01)
        self.under_way -= 1
        self.left -= 1
        if not self.left:
            self.asked_all.set()
        return await super().__call__(request)


async def test_grants_that_nobody_waits_for_are_asked_a_few_at_a_time(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 answers at the same moment would hold up every other request."""
    monkeypatch.setattr("service.kube.granted_rights._RIPE", 0.0)
    namespaces = [f"team-{number}" for number in range(100)]
    reviewer = Crowded(questions=2 * (1 + len(namespaces)))
    async with served(reviewer) as api:
        asking = reviews(api)
        first = await asking.granted(Caller("u-1", "alice"), "list", ["dumplog"], namespaces)
        assert reviewer.most > 2
        reviewer.most = 0
        assert await asking.granted(Caller("u-1", "alice"), "list", ["dumplog"], namespaces) == first
        async with asyncio.timeout(60):
            await reviewer.asked_all.wait()
    assert reviewer.most == 2


async def test_grants_are_nobody_elses_and_of_no_other_verb(served: Served) -> None:
    async with served(Granting()) as api:
        asking = reviews(api)
        assert await asking.granted(Caller("u-1", "alice"), "list", ["addon"], [])
        assert not await asking.granted(Caller("u-1", "alice"), "delete", ["addon"], [])


async def test_tokens_of_nobody_make_no_caller_unknown(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.kube.reviews._TOKENS", 4)
    reviewer = Reviewer()
    async with served(reviewer) as api:
        asking = reviews(api)
        assert await asking.caller("good")
        for number in range(20):
            assert await asking.caller(f"bad-{number}") is None
        assert await asking.caller("good")
    assert [spec["token"] for spec in reviewer.asked].count("good") == 1


async def test_kubernetes_is_asked_about_a_few_tokens_at_a_time(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.kube.reviews._STRANGERS_AT_ONCE", 3)
    monkeypatch.setattr("service.kube.reviews._STRANGERS_WAITING", 10)
    under_way, most = 0, 0
    full, gate = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.StreamResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 3:
            full.set()
        await gate.wait()
        under_way -= 1
        return web.json_response({"status": {"authenticated": False}}, status=201)

    async with served(slow) as api:
        asking = reviews(api)
        first = [asyncio.create_task(asking.caller(f"bad-{number}")) for number in range(10)]
        await full.wait()
        with pytest.raises(UnavailableError, match="too many tokens"):
            await asking.caller("one-more")
        gate.set()
        assert await asyncio.gather(*first) == [None] * 10
        assert most == 3
        assert await asking.caller("one-more") is None


class Cluster(Reviewer):
    """Its tokens are for the apiserver's own audience; who may read /metrics is said by name."""

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        spec = (await request.json())["spec"]
        self.asked.append(spec)
        if "token" in spec:
            known = "audiences" not in spec and spec["token"] in ("prometheus", "default")
            user = {"username": spec["token"], "uid": spec["token"]}
            cluster = {"authenticated": known, "audiences": ["https://kubernetes.default.svc"], "user": user}
            return web.json_response({"status": cluster if known else {"authenticated": False}}, status=201)
        allowed = spec["user"] == "prometheus" and spec["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}
        return web.json_response({"status": {"allowed": allowed}}, status=201)


async def test_any_token_of_the_cluster_scrapes_that_has_the_right(served: Served) -> None:
    cluster = Cluster()
    async with served(cluster) as api:
        asking = reviews(api)
        # One for another audience is none for ours, whichever is asked about first.
        assert await asking.caller("prometheus") is None
        scraping = await asking.scraper("prometheus")
        assert await asking.caller("prometheus") is None
        assert [await asking.scraper(token) for token in ("default", "invented", "")] == [None] * 3
    assert scraping
    assert scraping.user_name == "prometheus"
    assert [spec.get("audiences") for spec in cluster.asked if spec.get("token") == "prometheus"] == [["opsjobs"], None]

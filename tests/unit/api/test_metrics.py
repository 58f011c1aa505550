"""GET /metrics: who reads it, and that it holds what the process and its leader measure."""

from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry, Gauge

from service.domain.cluster_objects import Caller
from service.metrics import AUDITED_CALLS
from tests.unit.api.wired import app_of, client_of


@dataclass
class Tokens:
    """A token is its owner's name. `ours` are for our audience, `scrapers` for the cluster's."""

    ours: set[str] = field(default_factory=lambda: {"alice"})
    scrapers: set[str] = field(default_factory=lambda: {"prometheus"})

    async def caller(self, token: str) -> Caller | None:
        return Caller(token, token) if token in self.ours else None

    async def scraper(self, token: str) -> Caller | None:
        return Caller(token, token) if token in self.scrapers else None


@pytest.mark.parametrize("who", ["alice", "prometheus"])
async def test_callers_and_who_may_get_metrics_read_them(who: str) -> None:
    registry = CollectorRegistry()
    Gauge("opsjobs_of_the_leader", "x", registry=registry).set(7)
    async with client_of(app_of(reviews=Tokens(), metrics=registry), who) as client:
        shown = await client.get("/metrics")
    assert shown.status_code == 200
    assert "\nopsjobs_of_the_leader 7.0" in shown.text
    assert "\nopsjobs_leader 0.0" in shown.text


@pytest.mark.parametrize("who", ["", "mallory"])
async def test_nobody_else_does(who: str) -> None:
    async with client_of(app_of(reviews=Tokens()), who) as client:
        refused = await client.get("/metrics")
    assert refused.status_code == 401
    assert "opsjobs_" not in refused.text


@pytest.mark.parametrize("path", ["/openapi.json", "/api/v1/whoami", "/readyz?verbose"])
async def test_who_may_get_metrics_gets_nothing_else_by_it(path: str) -> None:
    async with client_of(app_of(reviews=Tokens()), "prometheus") as client:
        assert (await client.get(path)).status_code == 401


async def test_what_was_asked_for_is_counted_by_its_outcome() -> None:
    def refused() -> float:
        return float(AUDITED_CALLS.labels("create", "refused")._value.get())

    before = refused()
    async with client_of(app_of(reviews=Tokens()), "mallory") as client:
        await client.post("/api/v1/opsjobs", json={})
    assert refused() == before + 1

"""Every panel of the dashboard shows something of the real service, as a real Prometheus reads it."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.monitoring.apiserver import SCRAPER
from tests.monitoring.measured_service import Measured, measured_service
from tests.monitoring.prometheus import Prometheus, promtool, running
from tests.unit.chart.rendering import CHART

DASHBOARD = json.loads((CHART / "files" / "monitoring" / "dashboard.json").read_text())
#: Grafana's variables, and steps as long as what is read each second: the dashboard's are made for minutes.
HERE = {"$__range": "5m", "$__rate_interval": "20s", "[1h:1m]": "[5m:1s]", ":1m]": ":1s]"}
PATIENCE = 300


def queries() -> dict[str, str]:
    """What the panels ask, by where that stands."""
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", [])
    }


def here(query: str) -> str:
    for variable, value in HERE.items():
        query = query.replace(variable, value)
    return query


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        measured_service(tmp_path_factory.mktemp("service"), monkeypatch) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def prometheus(service: Measured, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    scrape = {
        "job_name": "opsjobs",
        "scheme": "https",
        "tls_config": {"ca_file": str(service.authority)},
        "authorization": {"credentials": SCRAPER},
        "static_configs": [{"targets": [service.url.removeprefix("https://")]}],
    }
    with running(tmp_path_factory.mktemp("prometheus"), scrape) as found:
        yield found


def test_every_panel_shows_something(service: Measured, prometheus: Prometheus) -> None:
    asked = {where: here(query) for where, query in queries().items()}
    end = time.monotonic() + PATIENCE
    while lacking := {where: query for where, query in asked.items() if not prometheus.series(query)}:
        targets = prometheus.series("up")
        assert time.monotonic() < end, f"{lacking} have no series; the service: {targets}"
        service.work()
        time.sleep(1)
    (left,) = prometheus.series(asked["Left cordoned A"])
    assert left["value"][1] == "1"
    ended = {one["metric"]["type"] for one in prometheus.series(asked["Jobs ended, in the range A"])}
    assert "reboot" in ended
    (half,) = prometheus.series(asked["A node rebooted takes A"])
    assert 180 <= float(half["value"][1]) <= 240, "each of them took four minutes"


def test_what_is_shown_is_as_prometheus_wants_it(service: Measured) -> None:
    """Names, units and help, by promtool's own rules."""
    shown = service.metrics()
    assert promtool("check", "metrics", given=shown) == ""


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])

"""A job as its followers see it, and the machines beside it, on the real cluster (contract: Following a job)."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from tests.e2e.live import Api, Cluster, inputs, wait_for


def events(response: httpx.Response) -> Iterator[tuple[str, str, Any]]:
    """Name, id and data, as they come."""
    seen: dict[str, str] = {}
    for line in response.iter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            seen[name] = value
        elif not line and seen:
            yield seen["event"], seen["id"], json.loads(seen["data"])
            seen = {}


def test_a_job_is_followed_to_its_end_and_its_node_says_who_works_on_it(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    go = "/run/e2e-following-go"
    cluster.on_host(node, "rm", "-f", go)
    job_id = api.create(name="followed", inputs=inputs(addon(f"until test -e {go}; do sleep 0.2; done"), nodes=[node]))

    def listed() -> dict[str, Any]:
        answer = api.client.get("/api/v1/nodes", params={"name": node})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = next(one for one in answer.json()["items"] if one["name"] == node)
        return found

    told: list[tuple[str, str, Any]] = []
    with api.client.stream("GET", f"/api/v1/opsjobs/{job_id}/events", timeout=300) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        for event in events(response):
            told.append(event)
            if (event[0] == "node" and event[2]["phase"] == "Running") or _runs(event):
                wait_for("the node's lock to be seen", lambda: listed()["lockedBy"] == job_id)
                cluster.on_host(node, "touch", go)
    names = [name for name, _, _ in told]
    assert (names[0], names[-1], names.count("end")) == ("job", "end", 1)
    assert told[-1][2]["phase"] == "Succeeded"
    assert [data["phase"] for name, _, data in told if name == "node"][-1] == "Succeeded"
    versions = [int(version) for _, version, _ in told]
    assert versions == sorted(versions)

    job = api.job(job_id)
    again = {"Last-Event-ID": str(versions[1] if len(versions) > 1 else 0)}
    with api.client.stream("GET", f"/api/v1/opsjobs/{job_id}/events", headers=again, timeout=300) as response:
        resumed = list(events(response))
    assert [data for name, _, data in resumed if name == "condition"] == job["conditions"]
    assert [data for name, _, data in resumed if name == "node"] == job["plan"]["nodes"]
    last = listed()["lastJob"]
    assert (last["jobId"], last["type"], last["phase"]) == (job_id, "addon", "Succeeded")
    wait_for("the lock to be seen to be free", lambda: listed()["lockedBy"] == "")


def _runs(event: tuple[str, str, Any]) -> bool:
    """Whether it ran already when it was first shown."""
    name, _, data = event
    return name == "job" and any(one["phase"] == "Running" for one in data["plan"]["nodes"])

"""retry on real nodes: what failed and what was not begun, with the text of then."""

from collections.abc import Callable

import httpx

from tests.cluster_fixtures import Take
from tests.e2e.live import Api, Cluster, inputs


def test_a_retry_takes_what_failed_or_was_not_begun_and_runs_the_text_of_then(
    cluster: Cluster, api: Api, session: httpx.Client, nodes: Take, addon: Callable[..., str]
) -> None:
    well, failing, not_begun = mine = nodes(3)
    for node in mine:
        cluster.on_host(node, "rm", "-f", "/run/e2e-retry-old", "/run/e2e-retry-new", "/run/e2e-retry-repaired")
    cluster.on_host(well, "touch", "/run/e2e-retry-repaired")
    template = addon("test -e /run/e2e-retry-repaired || exit 3; echo once >> /run/e2e-retry-old")
    first = api.create(name="before", inputs=inputs(template, nodes=mine))
    job = api.finished(first)
    assert [node["phase"] for node in job["plan"]["nodes"]] == ["Succeeded", "Failed", "Skipped"]
    cluster.kubectl(
        *("patch", "addontemplate", template, "--type=merge", "-p"),
        '{"spec": {"script": "touch /run/e2e-retry-new; exit 9"}}',
    )
    for node in (failing, not_begun):
        cluster.on_host(node, "touch", "/run/e2e-retry-repaired")

    def retry() -> httpx.Response:
        return session.post(f"/api/v1/opsjobs/{first}/retry", headers={"Idempotency-Key": f"again-{first}"})

    answer = retry()
    assert answer.status_code == 200, answer.text
    second = answer.json()["jobId"]
    api.submitted.append(second)
    assert retry().json() == {"jobId": second}
    job = api.finished(second)
    assert (job["phase"], job["retryOf"]) == ("Succeeded", first), job["conditions"]
    assert [node["name"] for node in job["plan"]["nodes"]] == [failing, not_begun]
    for node in mine:
        assert cluster.on_host(node, "sh", "-c", "cat /run/e2e-retry-*; ls /run | grep -c e2e-retry-new || true") == (
            "once\n0\n"
        )
    nothing = session.post(f"/api/v1/opsjobs/{second}/retry")
    assert (nothing.status_code, nothing.json()["errorCode"]) == (400, "NOTHING_TO_RETRY")

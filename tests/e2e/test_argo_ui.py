"""Argo's own UI shows a job step by step to a person with a token that may only look."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import Shoot
from tests.e2e.argo_pages import in_graph, pods, sign_in
from tests.e2e.live import Api, Cluster
from tests.e2e.preflight_jobs import check, image  # noqa: F401 - a fixture

SCRIPT = "echo 'looking at the GPUs'; echo 'GPU 3 fell off the bus' > /dev/termination-log; exit 1"


@pytest.mark.long  # of chromium beside four other tests nobody knows yet how it does
def test_a_person_finds_out_why_a_node_failed(  # noqa: PLR0913, PLR0917 - fixtures
    cluster: Cluster,
    api: Api,
    image: str,  # noqa: F811 - the fixture
    node: str,
    page: Page,
    screenshot: Shoot,
) -> None:
    job_id = check(api, image, SCRIPT, [node], name="Seen in Argo")
    job = api.finished(job_id)
    assert job["phase"] == "Failed"
    (runner,) = pods(cluster, job_id, "check")

    sign_in(page, cluster)
    listed = page.locator(".workflows-list__row-container", has_text=job_id)
    expect(listed).to_contain_text("preflight")
    expect(listed).to_contain_text("on 1 node: Seen in Argo, submitted by")
    screenshot("list")

    page.goto(job["links"]["argo"])
    expect(in_graph(page, f"{runner['id']} (")).to_be_visible()
    screenshot("graph")
    in_graph(page, f"{runner['id']} (").dispatch_event("click")
    expect(page.locator(".workflow-node-info__multi-line", has_text="GPU 3 fell off the bus").first).to_be_visible()
    screenshot("failed-node")

    page.get_by_role("button", name="LOGS").last.click()
    expect(page.locator(".xterm-rows")).to_contain_text("looking at the GPUs")
    screenshot("logs")

    page.goto(job["links"]["argo"])
    in_graph(page, f"{job_id}/matrix.html").dispatch_event("click")
    # What these panels are, said once to each browser.
    page.get_by_text("Continue", exact=True).click()
    shown = page.frame_locator("iframe").locator("svg")
    expect(shown).to_contain_text(node)
    expect(page.get_by_text(re.compile("will be automatically deleted"))).to_have_count(0)
    expect(page.get_by_text(re.compile("Unknown extension"))).to_have_count(0)
    screenshot("picture")


def test_without_a_token_nothing_is_shown(cluster: Cluster, page: Page) -> None:
    answer = page.request.get(f"{cluster.facts['argoUrl']}/api/v1/workflows/{cluster.jobs}")
    assert answer.status == 401


@pytest.mark.parametrize("right", ["delete workflows", "update workflows", "create workflows", "create pods/exec"])
def test_the_account_that_looks_changes_nothing(cluster: Cluster, right: str) -> None:
    verb, resource = right.split()
    who = "--as=system:serviceaccount:argo:argo-reader"
    assert cluster.kubectl("auth", "can-i", verb, resource, "-n", cluster.jobs, who, check=False).strip() == "no"

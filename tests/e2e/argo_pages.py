"""Argo's UI, as a person with a token of the read-only account sees it."""

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page

from local_cluster.argo import NAMESPACE, READER
from local_cluster.binaries import NO_PAGES
from tests.e2e.live import Cluster


def bearer(cluster: Cluster) -> str:
    """What its box for client authentication takes: Argo's server asks Kubernetes with it."""
    return f"Bearer {cluster.kubectl('create', 'token', READER, '-n', NAMESPACE, '--duration=1h').strip()}"


def sign_in(page: Page, cluster: Cluster) -> None:
    """Paste a token; then the list of jobs is there. Skips the test where `make up` could not build the pages."""
    address = cluster.facts["argoUrl"]
    if httpx.get(address, verify=cluster.trust).text == NO_PAGES:
        pytest.skip("Argo's web UI could not be built here: build/logs/building-argo-ui.log says why")
    page.goto(f"{address}/login")
    page.locator("#token").fill(bearer(cluster))
    page.locator(".login__token-section a.argo-button").click()
    page.wait_for_url(re.compile("/workflows"))


def pods(cluster: Cluster, job_id: str, template: str) -> list[dict[str, Any]]:
    """The steps of a job that Argo ran as pods from that template, as its status has them."""
    status = cluster.get("workflow", job_id, "-n", cluster.jobs)["status"]
    return [one for one in status["nodes"].values() if one["type"] == "Pod" and one.get("templateName") == template]


def in_graph(page: Page, mark: str) -> Locator:
    """What is drawn for a step or an artifact; `mark` is a part of its title, which is its id and its name."""
    return page.locator(f"xpath=//*[name()='title' and contains(., '{mark}')]/following-sibling::*[1]")

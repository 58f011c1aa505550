"""The console on the real cluster: a person signs in, sees a plan, submits it, sees why a node failed, and retries."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser import Shoot
from tests.e2e.live import Api, Cluster

#: A service that another test restarts would be seen: its requests are not sent again.
pytestmark = pytest.mark.long


def test_a_person_goes_the_whole_way(  # noqa: PLR0913, PLR0917  # a node, a template, a browser
    cluster: Cluster, admin: str, api: Api, addon: Callable[..., str], node: str, page: Page, screenshot: Shoot
) -> None:
    template = addon("echo looking at the disk; echo no space left on /var >&2; exit 3")
    page.goto(f"{cluster.facts['url']}/console/new/addon?node={node}")
    page.get_by_label("Token").fill(cluster.token(admin))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("combobox", name="Value of addon.template").select_option(template)
    expect(page.get_by_role("region", name="Plan")).to_contain_text(node)
    create = page.get_by_role("button", name="Create the job…")
    expect(create).to_be_enabled()
    create.click()
    page.get_by_role("dialog").get_by_role("button", name="Create the job").click()
    page.wait_for_url(re.compile(r"/console/jobs/addon-"))
    first = page.url.rpartition("/")[2]
    api.submitted.append(first)
    row = page.get_by_role("row", name=node)
    expect(row).to_contain_text("Failed")
    expect(row).to_contain_text("no space left on /var")
    page.get_by_role("button", name=f"Output of {node}").click()
    expect(page.get_by_role("log", name=f"Output of {node}")).to_contain_text("looking at the disk")
    screenshot("failed-job", whole=True)
    page.get_by_role("button", name="Retry…").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    page.wait_for_url(lambda url: first not in url)
    api.submitted.append(page.url.rpartition("/")[2])
    expect(page.get_by_role("link", name=first)).to_be_visible()
    page.get_by_role("link", name="Fleet", exact=True).first.click()
    expect(page.get_by_role("status").first).to_contain_text("node")
    screenshot("fleet")

"""What a person sees in the console, in a real browser on the real service: signing in, the fleet, lists, a job."""

import json
import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from service.domain.job import JobType, Named, NodePhase, Phase
from tests.cli.served import Served
from tests.console.conftest import SignIn
from tests.console.town import Desk, Town

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=document.title='owned'><b>n</b>"


def test_a_deep_link_survives_signing_in_and_the_token_is_kept_nowhere(
    page: Page, service: Served, desk: Desk, complaints: list[str], town: Town
) -> None:
    town.unknown_tokens = {"stale", ""}
    job = desk.job(job_id="deep-link-aaaaaa", job_name="deep link")
    page.goto(f"{service.url}/console/jobs/{job.job_id}")
    token = page.get_by_label("Token")
    token.fill("stale")
    token.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The service does not accept this token.")
    token.fill("alice")
    token.press("Enter")
    expect(page.get_by_role("heading", name="deep link")).to_be_visible()
    expect(page).to_have_title("deep link · OpsJobs")
    kept = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie, location.href]")
    assert kept == [0, 0, "", f"{service.url}/console/jobs/{job.job_id}"]
    page.reload()
    expect(page.get_by_label("Token")).to_be_visible()
    assert complaints == []


@pytest.mark.long
def test_who_is_not_known_any_more_signs_in_again(sign_in: SignIn, town: Town) -> None:
    page = sign_in("/jobs")
    town.unknown_tokens = {"alice"}
    page.get_by_role("searchbox", name="Name").fill("other")
    expect(page.get_by_role("alert")).to_contain_text("does not accept this token any more")
    town.unknown_tokens = set()
    page.get_by_label("Token").fill("alice")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query) == {"jobName": ["other"]}


def test_where_a_proxy_adds_a_token_no_one_is_asked_for_one(page: Page, service: Served, complaints: list[str]) -> None:
    page.set_extra_http_headers({"Authorization": "Bearer alice"})
    page.goto(f"{service.url}/console/jobs")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    expect(page.get_by_role("banner")).to_contain_text("alice")
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
    assert complaints == []


def test_the_fleet_by_a_label_and_by_what_matters(sign_in: SignIn, town: Town) -> None:
    town.locks = {"gpu-0001": "unknown-aaaaaa"}
    page = sign_in("/fleet?by=rack")
    expect(page.get_by_role("status")).to_have_text("96 nodes")
    legend = page.get_by_role("group", name="Show only")
    for text in ("locked by a job1", "NotReady1", "cordoned by a person1", "ready93"):
        expect(legend.get_by_role("button").filter(has_text=text.rstrip("0123456789")).first).to_be_visible()
        assert text in legend.inner_text().replace("\n", "")
    page.get_by_role("button", name="NotReady").click()
    expect(page.get_by_role("status")).to_have_text("1 of 96 nodes")
    assert parse_qs(urlsplit(page.url).query) == {"by": ["rack"], "states": ["notready"]}
    cells = page.get_by_role("listbox", name="Nodes")
    cells.focus()
    cells.press("ArrowRight")
    expect(cells.get_by_role("option")).to_have_text("gpu-0005: NotReady")
    cells.press("Enter")
    expect(page.get_by_role("heading", name="gpu-0005")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("status")).to_have_text("1 of 96 nodes")


@pytest.mark.long
def test_a_node_with_its_lock_its_cordon_and_its_history(sign_in: SignIn, town: Town, desk: Desk) -> None:
    job = desk.job(JobType.REBOOT, ["gpu-0007"], job_id="history-aaaaaa", job_name="history", user_name="alice")
    town.locks = {"gpu-0007": job.job_id}
    town.node_list[6] = replace(town.node_list[6], unschedulable=True, worked_on_by=job.job_id)
    page = sign_in("/nodes/gpu-0007")
    facts = page.locator("dl")
    expect(facts.get_by_role("link", name=job.job_id).first).to_have_attribute("href", f"/console/jobs/{job.job_id}")
    expect(page.get_by_role("row", name="history")).to_contain_text("reboot")
    page.get_by_role("row", name="history").get_by_role("link", name="history", exact=True).click()
    expect(page.get_by_role("heading", name="history")).to_be_visible()


def test_filters_of_the_list_are_those_of_the_api_and_in_the_address(sign_in: SignIn, desk: Desk) -> None:
    desk.job(JobType.DUMPLOG, job_id="sought-aaaaaa", job_name="sought")
    desk.job(JobType.REBOOT, job_id="sought-bbbbbb", job_name="sought", phase=Phase.FAILED)
    page = sign_in("/jobs?type=dumplog&jobName=sought")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(1)
    page.get_by_role("combobox", name="Type").select_option("")
    expect(rows).to_have_count(2)
    page.get_by_role("combobox", name="Phase").select_option("Failed")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("sought-bbbbbb")
    assert parse_qs(urlsplit(page.url).query) == {"phase": ["Failed"], "jobName": ["sought"]}
    page.reload()
    page.get_by_label("Token").fill("alice")
    page.get_by_role("button", name="Sign in").click()
    expect(rows).to_contain_text("sought-bbbbbb")


def test_a_job_fills_as_it_runs(sign_in: SignIn, desk: Desk, service: Served, town: Town) -> None:
    nodes = ["gpu-0001", "gpu-0002", "gpu-0003"]
    job = desk.job(JobType.ADDON, nodes, job_id="fills-aaaaaa", job_name="fills")
    town.lines, town.writing = {"gpu-0001": ["checking /var"]}, True
    page = sign_in(f"/jobs/{job.job_id}")
    bar = page.get_by_role("progressbar", name="Nodes that are through")
    expect(bar).to_have_attribute("aria-valuenow", "0")
    desk.node(job.job_id, "gpu-0001", NodePhase.RUNNING)
    desk.node(job.job_id, "gpu-0002", NodePhase.FAILED, "no space left on /var")
    expect(page.get_by_role("row", name="gpu-0002")).to_contain_text("no space left on /var")
    expect(bar).to_have_attribute("aria-valuenow", "1")
    page.get_by_role("button", name="Output of gpu-0001").click()
    output = page.get_by_role("log", name="Output of gpu-0001")
    expect(output).to_contain_text("checking /var")
    town.lines["gpu-0001"].append(HOSTILE)
    expect(output).to_contain_text(HOSTILE)
    town.writing = False
    desk.says(job.job_id, "Waiting", "gpu-0003 is locked by job other")
    expect(page.get_by_text("gpu-0003 is locked by job other")).to_be_visible()
    service.end(job.job_id, Phase.FAILED, "1 of 3 nodes failed")
    expect(page.get_by_text("1 of 3 nodes failed")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)


@pytest.mark.long
def test_a_report_is_a_table_and_a_file(sign_in: SignIn, desk: Desk) -> None:
    scripts = [{"name": "check-disks", "result": "failed", "exitCode": 1, "lastLines": f"looking\n{HOSTILE}"}]
    report = [
        {"node": "gpu-0001", "result": "succeeded", "message": "", "templates": []},
        {"node": "gpu-0002", "result": "failed", "message": "exit code 1", "templates": scripts},
    ]
    outputs = (Named("report", json.dumps(report)), Named("failed", "1"))
    fields = {"phase": Phase.FAILED, "ended": datetime.now(UTC), "outputs": outputs}
    job = desk.job(JobType.ADDON, ["gpu-0001", "gpu-0002"], job_id="report-aaaaaa", job_name="report", **fields)
    page = sign_in(f"/jobs/{job.job_id}")
    page.get_by_role("button", name="Show the report").click()
    rows = page.get_by_role("region", name="Report").locator("tbody tr")
    expect(rows.first).to_contain_text("check-disks")
    expect(rows.first).to_contain_text(HOSTILE)
    expect(rows.last).to_contain_text("gpu-0001")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download report").click()
    assert saved.value.suggested_filename == f"{job.job_id}-report.json"
    assert json.loads(saved.value.path().read_text()) == report


@pytest.mark.long
@pytest.mark.parametrize("kind", ["dumplog", "exportimage", "reboot"])
def test_every_type_has_a_form_that_says_what_is_missing(sign_in: SignIn, kind: str) -> None:
    page = sign_in("/new")
    page.get_by_role("link", name=kind).click()
    plan = page.get_by_role("region", name="Plan")
    expect(plan.locator(".faults")).to_contain_text("inputs")
    field = page.get_by_role("textbox", name=re.compile("Value of (node|workload)"))
    field.fill("gpu-0001" if kind == "reboot" else "train")
    expect(plan).to_contain_text("1 node" if kind == "reboot" else "train")


@pytest.mark.long
def test_a_tab_that_is_hidden_follows_nothing(sign_in: SignIn, desk: Desk, service: Served) -> None:
    job = desk.job(JobType.ADDON, ["gpu-0001"], job_id="hidden-aaaaaa", job_name="hidden")
    page = sign_in(f"/jobs/{job.job_id}")
    deadline = time.monotonic() + 300
    for hidden, streams in ((False, 1), (True, 0), (False, 1)):
        page.evaluate(
            "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
            " document.dispatchEvent(new Event('visibilitychange')); }",
            hidden,
        )
        while service.streams() != streams:
            assert time.monotonic() < deadline
            page.wait_for_timeout(50)
    desk.node(job.job_id, "gpu-0001", NodePhase.RUNNING)
    expect(page.get_by_role("row", name="gpu-0001")).to_contain_text("Running")


def test_text_of_others_is_text_and_only_web_addresses_are_links(sign_in: SignIn, desk: Desk) -> None:
    outputs = (
        Named("endpoint", "https://store.example.com/a?b=c"),
        Named("evil", "javascript:document.title='owned'"),
        Named("data", "data:text/html,<script>1</script>"),
        Named(HOSTILE, HOSTILE),
    )
    job = desk.job(
        JobType.ADDON, [HOSTILE], job_id="hostile-aaaaaa", job_name=HOSTILE, outputs=outputs, user_name=HOSTILE
    )
    desk.node(job.job_id, HOSTILE, NodePhase.FAILED, HOSTILE)
    page = sign_in(f"/jobs/{job.job_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(page.get_by_role("cell", name=HOSTILE).first).to_be_visible()
    links = page.evaluate("[...document.querySelectorAll('main a[href]')].map((link) => link.href)")
    assert "https://store.example.com/a?b=c" in links
    assert {urlsplit(link).scheme for link in links} <= {"http", "https"}
    assert page.locator("img, script:not([src]), iframe, main b").count() == 0
    page.goto(page.url.replace("hostile-aaaaaa", "%3Cimg%20src=x%3E"))
    page.get_by_label("Token").fill("alice")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("there is no job")
    page.get_by_role("link", name="Jobs", exact=True).first.click()
    expect(page.get_by_role("row", name="hostile-aaaaaa")).to_contain_text(HOSTILE)
    assert "owned" not in page.title()

"""What a person does in the console, from the preview of a job to the retry of what failed, and who may not."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from service.domain.job import Job, JobType, NodePhase, Phase
from service.domain.job_rollout import JobRollout, PhaseState
from tests.cli.served import Served
from tests.console.conftest import SignIn
from tests.console.town import Desk, Town

pytestmark = pytest.mark.slow

NODES = ["gpu-0021", "gpu-0022", "gpu-0023"]
PLAN = "Plan"


def job_of(page: Page) -> str:
    """The id of the job whose page is open."""
    page.wait_for_url(re.compile(r"/console/jobs/[a-z][a-z0-9-]+$"))
    return page.url.rpartition("/")[2]


def in_state(number: int, state: PhaseState) -> Any:
    """A change of a record: a phase of its rollout is in that state."""

    def changed(job: Job) -> Job:
        assert isinstance(job.rollout, JobRollout)
        phases = [*job.rollout.phases]
        phases[number - 1] = replace(phases[number - 1], state=state, start=datetime.now(UTC))
        return replace(job, rollout=replace(job.rollout, phases=tuple(phases)))

    return changed


def confirm(page: Page, button: str, *told: str, **filled: str) -> None:
    """Press a button, read what will happen, and do it."""
    page.get_by_role("button", name=f"{button}…").click()
    question = page.get_by_role("dialog")
    for text in told:
        expect(question).to_contain_text(text)
    for label, value in filled.items():
        question.get_by_label(label.capitalize()).fill(value)
    question.get_by_role("button").last.click()
    expect(question).to_have_count(0)


def test_the_whole_way_from_preview_to_retry(sign_in: SignIn, service: Served, desk: Desk) -> None:  # noqa: PLR0915  # a whole way
    page = sign_in("/new/addon")
    plan = page.get_by_role("region", name=PLAN)
    create = page.get_by_role("button", name="Create the job…")
    expect(plan.locator(".faults")).to_contain_text("inputs")
    expect(create).to_be_disabled()

    page.get_by_role("textbox", name="Name").fill("driver 570")
    page.get_by_role("combobox", name="Value of addon.template").select_option("gpu-driver-570")
    page.get_by_role("textbox", name="Value of node", exact=True).fill(f"{' '.join(NODES)} gpu-0005")
    page.get_by_label("In phases").check()
    page.get_by_role("button", name="Add a phase").click()
    page.get_by_role("button", name="Add a phase").click()
    page.get_by_label("Failures tolerated").fill("1")
    expect(plan).to_contain_text("gpu-0005 is NotReady")
    expect(plan).to_contain_text("1 node, then wait for a person")
    expect(create).to_be_enabled()
    page.get_by_text("As a command").click()
    expect(page.locator(".line-of-shell").first).to_contain_text("--phase 1,manual")

    confirm(
        page,
        "Create the job",
        "Its scripts run as root on 3 nodes (gpu-0021, gpu-0022, gpu-0023).",
        "1 node left out of it",
    )
    job_id = job_of(page)
    job = service.job(job_id)
    assert (job.user_name, list(job.plan.names)) == ("alice", NODES)
    (sent,) = [one for one in service.seen if one[0] == "POST" and "expectedPlan=" in one[1]]
    assert sent[2]["idempotency-key"]

    first = page.get_by_role("listitem").filter(has_text="Phase 1")
    expect(first).to_contain_text("0/1 node")
    desk.node(job_id, NODES[0], NodePhase.RUNNING)
    service.change(job_id, in_state(1, PhaseState.RUNNING))
    confirm(page, "Pause", "1 node in work will finish: gpu-0021.", reason="dashboards are red")
    expect(page.get_by_text("Paused: alice").first).to_be_visible()
    expect(page.get_by_text("dashboards are red").first).to_be_visible()
    confirm(page, "Resume", "the nodes that are left: 2.")
    expect(page.get_by_role("button", name="Pause…")).to_be_visible()

    desk.node(job_id, NODES[0], NodePhase.SUCCEEDED)
    service.change(job_id, in_state(1, PhaseState.AWAITING_ADVANCE))
    desk.says(job_id, "Waiting", "phase 1 of 2 has ended")
    confirm(page, "Advance", "Phase 1 ends now.", "it runs its scripts on 2 nodes (gpu-0022, gpu-0023)")
    assert [changes for _, changes in desk.town.steered if "1" in map(str, changes.values())]

    desk.node(job_id, NODES[1], NodePhase.FAILED, "no space left on /var")
    desk.node(job_id, NODES[2], NodePhase.SUCCEEDED)
    ended = {"phase": Phase.FAILED, "ended": datetime.now(UTC)}
    desk.says(job_id, "Failed", "1 of 3 nodes failed", of=Phase.FAILED, **ended)
    expect(page.get_by_role("row", name=NODES[1])).to_contain_text("no space left on /var")
    confirm(page, "Retry", "A new job: it runs its scripts on what is left, 1 node (gpu-0022)")
    page.wait_for_url(lambda url: job_id not in url)
    again = service.job(job_of(page))
    assert (again.retry_of, again.plan.names) == (job_id, (NODES[1],))
    expect(page.get_by_role("link", name=job_id)).to_be_visible()

    confirm(page, "Stop", "Nothing of it runs on a node now.", "1 node will not be begun.")
    assert service.job(again.job_id).stop_requested
    confirm(page, "Delete", "It still runs: it is stopped first")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    assert service.job(again.job_id).hidden


def test_what_a_person_may_not_do_is_not_offered(sign_in: SignIn, desk: Desk, town: Town) -> None:
    """Carol may look; the job is alice's."""
    job = desk.job(JobType.REBOOT, NODES, job_id="looked-at-aaaaaa", job_name="looked at")
    desk.node(job.job_id, NODES[0], NodePhase.RUNNING)
    page = sign_in(f"/jobs/{job.job_id}", who="carol")
    expect(page.get_by_role("row", name=NODES[0])).to_contain_text("Running")
    for offer in ("Stop…", "Delete…", "Pause…", "Retry…"):
        expect(page.get_by_role("button", name=offer)).to_have_count(0)
    expect(page.get_by_role("link", name="New job")).to_have_count(0)
    town.rights["dave"] = frozenset({"get", "list", "create", "update"})
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Token").fill("dave")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Stop…")).to_be_visible()
    expect(page.get_by_role("button", name="Delete…")).to_have_count(0)


@pytest.mark.long
def test_a_refusal_is_shown_where_it_was_asked_for(sign_in: SignIn, desk: Desk, town: Town, service: Served) -> None:
    """Rights that were withdrawn since, and a plan that has become another: the question stays, and says why."""
    job = desk.job(
        JobType.REBOOT, NODES, job_id="refused-aaaaaa", job_name="refused", user_id="id-bob", user_name="bob"
    )
    page = sign_in(f"/jobs/{job.job_id}")
    page.get_by_role("button", name="Stop…").click()
    town.rights["alice"] = frozenset({"get", "list", "create"})
    question = page.get_by_role("dialog")
    question.get_by_role("button", name="Stop the job").click()
    expect(question.get_by_role("alert")).to_contain_text("but not update it")
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    assert not service.job(job.job_id).stop_requested

    page.get_by_role("link", name="New job").click()
    page.get_by_role("link", name="reboot").click()
    page.get_by_role("textbox", name="Value of node", exact=True).fill("gpu-0030 gpu-0031")
    create = page.get_by_role("button", name="Create the job…")
    expect(create).to_be_enabled()
    create.click()
    town.node_list = [node for node in town.node_list if node.name != "gpu-0031"]
    page.get_by_role("dialog").get_by_role("button", name="Create the job").click()
    expect(page.get_by_role("alert")).to_contain_text("gpu-0031")
    town.unknown_tokens = {"alice"}
    page.get_by_role("dialog").get_by_role("button", name="Create the job").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_label("Token")).to_be_visible()


def test_lines_of_shell_say_the_same_whatever_is_in_them(sign_in: SignIn) -> None:
    page = sign_in("/new/preflight")
    name = 'it\'s $(reboot) `id` "x"'
    page.get_by_role("textbox", name="Name What").fill(name)
    page.get_by_role("textbox", name="Value of node", exact=True).fill("gpu-0021")
    page.get_by_role("textbox", name="Image").fill("busybox")
    page.get_by_role("textbox", name="Environment").fill("TOKEN=secret=1")
    command, curl = page.locator(".line-of-shell").all_text_contents()
    quoted = "'it'\\''s $(reboot) `id` \"x\"'"
    assert f"--name {quoted}" in command
    assert "--env TOKEN" in command
    assert "secret=1" not in command + curl
    body = json.loads(curl.partition("-d '")[2].removesuffix("'").replace("'\\''", "'"))
    assert (body["name"], body["env"]) == (name, {"TOKEN": "…"})

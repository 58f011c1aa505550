"""Commands about jobs that there are: list, get, watch, stop, delete."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.cluster_objects import Node
from service.domain.job import Condition, JobType, Named, Phase, Plan, PlannedNode
from tests.cli.conftest import Opsjobs
from tests.cli.served import Served

NOW = datetime.now(UTC)


def test_a_list_shows_what_the_filters_leave(opsjobs: Opsjobs, service: Served) -> None:
    service.add(JobType.REBOOT, job_id="ours-aaaaa1", job_name="ours", workspace_id="w-list", user_name="Alice")
    service.add(job_id="ours-aaaaa2", job_name="theirs", workspace_id="w-list", created=NOW - timedelta(hours=3))
    both = opsjobs("list", "--workspace", "w-list")
    assert both.code == 0
    assert both.out.splitlines()[0].split() == ["JOB", "TYPE", "PHASE", "NAME", "USER", "CREATED", "TOOK"]
    assert [line.split()[0] for line in both.out.splitlines()[1:]] == ["ours-aaaaa1", "ours-aaaaa2"]
    for filters in (["--type", "reboot"], ["--user", "ALI", "--since", "1h"], ["--name", "ours", "--cluster", "local"]):
        assert opsjobs("list", "-w", "w-list", *filters, "-o", "name").out == "ours-aaaaa1\n"
    assert opsjobs("list", "-w", "w-list", "--until", "2h", "-o", "name").out == "ours-aaaaa2\n"
    assert opsjobs("list", "-w", "w-list", "--phase", "Failed", "-o", "name").out == ""
    older_first = opsjobs("list", "-w", "w-list", "--sort-by", "creationTime", "--order", "asc", "-o", "name").out
    assert older_first.split() == ["ours-aaaaa2", "ours-aaaaa1"]


def test_a_list_says_what_it_left_out(opsjobs: Opsjobs, service: Served) -> None:
    for number in range(3):
        service.add(job_id=f"page-aaaaa{number}", workspace_id="w-page", created=NOW - timedelta(minutes=number))
    ended = opsjobs("list", "-w", "w-page", "--limit", "1", "--offset", "1")
    assert [line.split()[0] for line in ended.out.splitlines()[1:]] == ["page-aaaaa1"]
    assert "1 more" in ended.err


def test_a_long_list_is_asked_for_in_pages(opsjobs: Opsjobs, service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsjobs_cli.paging.PAGE", 2)
    for number in range(5):
        service.add(job_id=f"many-aaaaa{number}", workspace_id="w-many", created=NOW - timedelta(minutes=number))
    content = json.loads(opsjobs("list", "-w", "w-many", "--limit", "4", "-o", "json").out)
    assert content["totalCount"] == 5
    assert [item["jobId"] for item in content["items"]] == [f"many-aaaaa{number}" for number in range(4)]


def test_a_value_that_the_api_does_not_know_is_refused_with_its_words(opsjobs: Opsjobs) -> None:
    ended = opsjobs("list", "--phase", "Done")
    assert ended.code == 3
    assert "Succeeded" in ended.err
    assert opsjobs("list", "--since", "last week").code == 2


def test_one_job_is_shown_whole(opsjobs: Opsjobs, service: Served) -> None:
    job_id = opsjobs("addon", "-t", "fix", "--cluster", "local").out.strip()
    service.run(job_id)
    service.end(job_id, Phase.FAILED, "node n1 failed")
    ended = opsjobs("get", job_id, "--utc")
    assert ended.code == 0  # it was shown, which is what was asked
    for expected in (job_id, "Failed", "2/2 nodes", "addon.template=fix", "node n1 failed", "n3", "cordoned", "Z"):
        assert expected in ended.out
    assert json.loads(opsjobs("get", job_id, "-o", "json").out)["jobId"] == job_id
    assert f"jobId: {job_id}" in opsjobs("get", job_id, "-o", "yaml").out
    assert opsjobs("get", job_id, "-o", "name").out == f"{job_id}\n"


def test_an_unknown_job_is_refused(opsjobs: Opsjobs) -> None:
    for words in (["get", "nope-aaaaaa"], ["watch", "nope-aaaaaa"], ["stop", "nope-aaaaaa"], ["delete", "nope-aaaaaa"]):
        ended = opsjobs(*words)
        assert ended.code == 3
        assert "there is no job 'nope-aaaaaa'" in ended.err


def test_an_id_is_never_another_path(opsjobs: Opsjobs, service: Served) -> None:
    assert opsjobs("get", "../../healthz").code == 3
    assert opsjobs("get", "..").code == 2
    assert [path for _, path, _ in service.seen] == ["/api/v1/opsjobs/../../healthz"]


@pytest.mark.parametrize(("phase", "code"), [(Phase.SUCCEEDED, 0), (Phase.FAILED, 1)])
def test_a_wait_ends_as_the_job(opsjobs: Opsjobs, service: Served, phase: Phase, code: int) -> None:
    job_id = opsjobs("reboot", "--node", "n1").out.strip()
    service.run(job_id)
    end = service.when_asked(1, lambda: service.end(job_id, phase, "the end of it"))
    ended = opsjobs("watch", job_id)
    end.join()
    assert ended.code == code
    lines = ended.out.splitlines()
    assert lines[0] == job_id
    assert "Pending (Created)" in lines[1]
    assert any("n1: Running" in line for line in lines)
    assert any("the end of it" in line for line in lines)
    assert len(lines) == len(set(lines))


def test_waiting_for_what_was_just_made_ends_as_it(opsjobs: Opsjobs, service: Served) -> None:
    def end_it() -> None:
        for job_id in service.jobs():
            service.end(job_id, Phase.FAILED, "no")

    end = service.when_asked(1, end_it)
    ended = opsjobs("reboot", "--node", "n1", "--wait", "-o", "json")
    end.join()
    assert ended.code == 1
    assert json.loads(ended.out)["phase"] == "Failed"


def test_waiting_too_long_leaves_the_job_running(opsjobs: Opsjobs, service: Served) -> None:
    ended = opsjobs("reboot", "--node", "n1", "--wait-timeout", "0")
    (job_id,) = service.jobs()
    assert ended.code == 124
    assert f"opsjobs watch {job_id}" in ended.err
    assert service.job(job_id).stop_requested is None


def test_a_connection_that_breaks_is_made_again(opsjobs: Opsjobs, service: Served) -> None:
    job_id = opsjobs("reboot", "--node", "n1").out.strip()
    service.end(job_id)
    service.instead = [(0, {}), (503, {})]
    ended = opsjobs("watch", job_id)
    assert ended.code == 0
    assert "trying again" in ended.err
    assert "answers again" in ended.err


def test_what_has_not_changed_is_not_sent_again(opsjobs: Opsjobs, service: Served) -> None:
    job_id = opsjobs("reboot", "--node", "n1").out.strip()
    service.seen.clear()
    assert opsjobs("watch", job_id, "--wait-timeout", "1.5").code == 124
    asked = [headers.get("if-none-match", "") for _, _, headers in service.seen]
    assert asked[0] == ""
    assert all(asked[1:])


def test_stop_and_delete_take_several_jobs(opsjobs: Opsjobs, service: Served) -> None:
    job_ids = [opsjobs("reboot", "--node", "n1").out.strip() for _ in range(2)]
    ended = opsjobs("stop", job_ids[0], "nope-aaaaaa", job_ids[1])
    assert ended.code == 3
    assert ended.out.count("is being stopped") == 2
    assert "nope-aaaaaa" in ended.err
    assert all(service.job(job_id).stop_requested for job_id in job_ids)
    assert opsjobs("delete", *job_ids).code == 0
    left = opsjobs("list", "--since", "1h", "--limit", "5000", "-o", "name").out.split()
    assert not set(job_ids) & set(left)


def test_outputs_and_their_absence_are_said(opsjobs: Opsjobs, service: Served) -> None:
    made = Condition(Phase.SUCCEEDED, "Succeed", "job finished successfully", NOW)
    service.add(job_id="out-aaaaa1", outputs=(Named("succeeded", "3"),), phase=Phase.SUCCEEDED, conditions=(made,))
    assert "succeeded" in opsjobs("get", "out-aaaaa1").out
    assert opsjobs("report", "out-aaaaa1").code == 3
    assert "only dumplog" in opsjobs("download", "out-aaaaa1").err


def test_the_history_of_a_node_is_the_jobs_that_had_it(opsjobs: Opsjobs, service: Served) -> None:
    mine = Plan((PlannedNode("old-node"),))
    service.add(job_id="hist-aaaaa1", plan=mine, created=NOW - timedelta(days=80))
    service.add(job_id="hist-aaaaa2", plan=mine)
    service.add(job_id="hist-aaaaa3", plan=Plan((PlannedNode("old-node-2"),)))
    assert opsjobs("history", "old-node", "-o", "name").out.split() == ["hist-aaaaa2", "hist-aaaaa1"]
    assert opsjobs("history", "old-node", "--since", "7d", "-o", "name").out.split() == ["hist-aaaaa2"]
    assert opsjobs("list", "--node", "old-node-2", "-o", "name").out.split() == ["hist-aaaaa3"]


def test_what_failed_is_retried_once(opsjobs: Opsjobs, service: Served) -> None:
    old = opsjobs("addon", "-t", "fix", "--node", "n1", "--node", "n2").out.strip()
    assert "has not ended" in opsjobs("retry", old).err
    service.end(old, Phase.FAILED, "all of it failed")
    ended = opsjobs("retry", old, "--which", "failed")
    assert ended.code == 0, ended.err
    made = service.job(ended.out.strip())
    assert made.plan.names == ("n1", "n2")
    assert opsjobs("retry", old, "--which", "notBegun").code == 3
    assert opsjobs("retry", old, "--which", "some").code == 2


def test_many_nodes_are_not_retried_without_a_word_of_a_person(opsjobs: Opsjobs, service: Served) -> None:
    service.world.node_list = [Node(f"n{number}") for number in range(11)]
    old = opsjobs("reboot", "--cluster", "local", "--yes").out.strip()
    service.end(old, Phase.FAILED, "all of it failed")
    refused = opsjobs("retry", old)
    assert refused.code == 2
    assert "--yes" in refused.err
    assert service.jobs() == [old]
    assert opsjobs("retry", old, "--yes").code == 0

"""Commands that make jobs: what they send, what they ask, what they refuse to do."""

import base64
import json
from pathlib import Path
from typing import get_args

import pytest

from service.api import request_bodies
from service.domain.cluster_objects import Node
from service.domain.job import JobType
from tests.cli.conftest import Opsjobs
from tests.cli.scripted import Scripted, content
from tests.cli.served import Served


def test_a_job_is_accepted_and_its_id_is_all_of_the_output(opsjobs: Opsjobs, service: Served) -> None:
    ended = opsjobs("reboot", "--node", "n1", "--name", "Again!")
    assert (ended.code, ended.err) == (0, "")
    job = service.job(ended.out.strip())
    assert (job.job_name, job.type, job.plan.names, job.user_name) == ("Again!", "reboot", ("n1",), "alice")


def test_a_job_without_a_name_is_called_what_it_does(opsjobs: Opsjobs, service: Served) -> None:
    one = service.job(opsjobs("reboot", "--node", "n1").out.strip())
    two = service.job(opsjobs("reboot", "--node", "n1", "--node", "n2").out.strip())
    assert (one.job_name, two.job_name) == ("reboot n1", "reboot n1 and 1 more")


def test_every_field_of_an_addon_has_a_flag(opsjobs: Opsjobs, service: Served) -> None:
    ended = opsjobs(
        "addon", "--template", "fix", "--node", "n1", "-l", "!none", "--cluster", "local", "--exclude-node", "n2",
        "--tolerate-all", "--batch-count", "3", "--available-ratio", "0.7", "--security-upgrade",
        "--timeout-seconds", "60", "--ttl-seconds", "90",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    job = service.job(ended.out.strip())
    assert [(one.name, one.value) for one in job.inputs] == [
        ("addon.template", "fix"), ("node", "n1"), ("node.selector", "!none"), ("cluster", "local"),
    ]  # fmt: skip
    shown = json.loads(opsjobs("get", job.job_id, "-o", "json").out)
    wanted = {
        "excludedNodes": ["n2"], "isTolerateAll": True, "batchCount": 3, "availableRatio": 0.7,
        "securityUpgrade": True, "timeoutSecond": 60, "ttlSecondsAfterFinished": 90,
    }  # fmt: skip
    assert {name: shown[name] for name in wanted} == wanted


def test_every_field_of_a_check_has_a_flag_and_no_value_of_env_is_an_argument(opsjobs: Opsjobs, tmp_path: Path) -> None:
    script, env = tmp_path / "check.sh", tmp_path / "env"
    script.write_text("#!/bin/bash\necho ü\n")
    env.write_text("# of the team\n\nexport DISK=/dev/sda\nTOKEN=a=b c\n")
    opsjobs.environment.setenv("HF_TOKEN", "very secret")
    ended = opsjobs(
        "preflight", "--image", "busybox", "--script", str(script), "--node", "n1", "--env", "HF_TOKEN",
        "--env-file", str(env), "--cpu", "500m", "--memory", "1Gi", "--gpu", "8", "--ephemeral-storage", "2Gi",
        "--shared-memory", "64Mi", "--replica", "1",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    shown = json.loads(opsjobs("get", ended.out.strip(), "-o", "json").out)
    assert base64.b64decode(shown["entryPoint"]).decode() == "#!/bin/bash\necho ü\n"
    assert shown["env"]["DISK"] == "/dev/sda"
    assert set(shown["env"]) == {"DISK", "TOKEN", "HF_TOKEN"}
    assert shown["resource"] == {
        "cpu": "500m", "memory": "1Gi", "gpu": "8", "ephemeralStorage": "2Gi", "sharedMemory": "64Mi", "replica": 1,
    }  # fmt: skip


def test_a_secret_on_the_command_line_is_refused_and_not_repeated(opsjobs: Opsjobs, service: Served) -> None:
    ended = opsjobs("preflight", "--image", "a", "--entry-point", "eA==", "--node", "n1", "--env", "HF_TOKEN=hunter2")
    assert ended.code == 2
    assert "HF_TOKEN" in ended.err
    assert "hunter2" not in ended.err
    assert not service.seen


def test_a_variable_that_is_not_set_is_no_empty_one(opsjobs: Opsjobs) -> None:
    ended = opsjobs("preflight", "--image", "a", "--entry-point", "eA==", "--node", "n1", "--env", "NOT_SET_ANYWHERE")
    assert (ended.code, "NOT_SET_ANYWHERE" in ended.err) == (2, True)


@pytest.mark.parametrize("options", [[], ["--script", "x", "--entry-point", "eA=="]])
def test_a_check_runs_one_thing(opsjobs: Opsjobs, options: list[str]) -> None:
    assert opsjobs("preflight", "--image", "a", "--node", "n1", *options).code == 2


def test_the_script_may_come_on_standard_input(opsjobs: Opsjobs) -> None:
    ended = opsjobs("preflight", "--image", "a", "--node", "n1", "--script", "-", stdin="echo hello")
    shown = json.loads(opsjobs("get", ended.out.strip(), "-o", "json").out)
    assert base64.b64decode(shown["entryPoint"]) == b"echo hello"


def test_a_dry_run_shows_the_plan_and_creates_nothing(opsjobs: Opsjobs, service: Served) -> None:
    ended = opsjobs("reboot", "--cluster", "local", "--exclude-node", "n2", "--dry-run")
    assert ended.code == 0
    assert "work on 2 nodes" in ended.out
    assert "n2" in ended.out.partition("Left out")[2]
    assert service.jobs() == []
    assert opsjobs("reboot", "--node", "n1", "--dry-run", "-o", "name").out == "n1\n"


def test_what_a_dry_run_showed_is_what_runs(opsjobs: Opsjobs, service: Served) -> None:
    digest = json.loads(opsjobs("reboot", "--cluster", "local", "--dry-run", "-o", "json").out)["planDigest"]
    service.world.node_list.append(Node("n4"))
    refused = opsjobs("reboot", "--cluster", "local", "--expected-plan", digest)
    assert refused.code == 3
    assert "Nothing was submitted" in refused.err
    assert service.jobs() == []


def test_many_nodes_are_not_worked_on_without_a_word_of_a_person(opsjobs: Opsjobs, service: Served) -> None:
    service.world.node_list = [Node(f"n{number}") for number in range(11)]
    refused = opsjobs("reboot", "--cluster", "local")
    assert refused.code == 2
    assert "11 nodes" in refused.err
    assert "--yes" in refused.err
    assert service.jobs() == []
    accepted = opsjobs("reboot", "--cluster", "local", "--yes")
    assert len(service.job(accepted.out.strip()).plan.nodes) == 11


def test_ten_nodes_need_no_word(opsjobs: Opsjobs, service: Served) -> None:
    service.world.node_list = [Node(f"n{number}") for number in range(10)]
    ended = opsjobs("reboot", "--cluster", "local")
    assert len(service.job(ended.out.strip()).plan.nodes) == 10
    # Even then the plan is the one that was counted.
    assert "expectedPlan=" in service.seen[-1][1]


def test_a_file_may_hold_several_jobs_in_yaml_or_json(opsjobs: Opsjobs, service: Served, tmp_path: Path) -> None:
    job = {"name": "from a file", "type": "reboot", "inputs": [{"name": "node", "value": "n1"}]}
    yaml, text = tmp_path / "jobs.yaml", tmp_path / "job.json"
    yaml.write_text(f"{json.dumps(job)}\n---\nname: second\ntype: reboot\ninputs:\n- {{name: node, value: n2}}\n")
    text.write_text(json.dumps(job))
    two = opsjobs("apply", "-f", str(yaml))
    assert [service.job(line).job_name for line in two.out.split()] == ["from a file", "second"]
    assert opsjobs("apply", "-f", str(text)).code == 0
    assert opsjobs("apply", "-f", "-", stdin=json.dumps([job, job])).out.count("\n") == 2


@pytest.mark.parametrize("content", ["", "a: [", "just words", "- 1", "[1]", "name: !!python/object:os.system x"])
def test_a_file_that_is_no_job_is_refused_before_anything_is_sent(
    opsjobs: Opsjobs, service: Served, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(content)
    assert opsjobs("apply", "-f", str(file)).code == 2
    assert not service.seen


def test_every_fault_of_a_request_is_said_with_its_place(opsjobs: Opsjobs, tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text('{"name": "a", "type": "reboot", "inputs": [{"name": "node", "value": "nope"}], "batchcount": 1}')
    ended = opsjobs("apply", "-f", str(file))
    assert ended.code == 3
    assert "batchcount" in ended.err
    assert "nope" in ended.err


def test_a_repeated_try_makes_one_job(opsjobs: Opsjobs, service: Served) -> None:
    service.instead = [(503, {"Retry-After": "0"}), (503, {"Retry-After": "0"})]
    ended = opsjobs("reboot", "--node", "n1", "--yes")
    assert ended.code == 0
    assert "trying again" in ended.err
    keys = {headers.get("idempotency-key") for method, _, headers in service.seen if method == "POST"}
    assert len(keys) == 1
    assert None not in keys
    assert len(service.jobs()) == 1


SCOPE = ["--node", "a", "--selector", "b=c", "--workspace", "d", "--workload", "e", "--cluster", "f"]
COMMON = ["--exclude-node", "g", "--tolerate-all", "--name", "h", "--timeout-seconds", "1", "--ttl-seconds", "2"]
ROLLOUT = ["--max-unavailable", "1", "--failure-limit", "0", "--on-failure", "pause", "--phase", "rest",
           "--per-group", "rack=1"]  # fmt: skip
EVERY_FLAG = {
    JobType.ADDON: ["-t", "i", "--node-template", "j", "--batch-count", "1", "--available-ratio", "0.5",
                    "--security-upgrade", *ROLLOUT],
    JobType.PREFLIGHT: ["--image", "k", "--entry-point", "bA==", "--env", "HOME", "--host-path", "/l", "--cpu", "1",
                        "--memory", "1", "--gpu", "1", "--ephemeral-storage", "1", "--shared-memory", "1",
                        "--replica", "1"],
    JobType.REBOOT: ROLLOUT,
    JobType.DUMPLOG: [],
    JobType.EXPORTIMAGE: [],
}  # fmt: skip


@pytest.mark.parametrize("kind", list(JobType))
def test_every_field_of_the_api_has_a_flag(opsjobs: Opsjobs, scripted: Scripted, kind: JobType) -> None:
    scripted.answers["/api/v1/opsjobs"] = [content({"jobId": "made-aaaaaa"})]
    ended = opsjobs(kind.value, *SCOPE, *COMMON, *EVERY_FLAG[kind], *yes(kind))
    assert ended.code == 0, ended.err
    sent = scripted.seen[-1][4]
    assert set(sent) == request_bodies.fields(request_bodies.MODELS[kind])
    names = set(get_args(request_bodies.Input.model_fields["name"].annotation))
    templates = {"addon.template", "node.template"}
    assert {one["name"] for one in sent["inputs"]} == (names if kind is JobType.ADDON else names - templates)
    for field, model in (("resource", request_bodies.Resource), ("rollout", request_bodies.Rollout)):
        if field in sent:
            assert set(sent[field]) == {known.alias or name for name, known in model.model_fields.items()}


def yes(kind: JobType) -> list[str]:
    return [] if kind in (JobType.DUMPLOG, JobType.EXPORTIMAGE) else ["--yes"]

"""The committed WorkflowTemplates are what Hera renders, hold what the design promises, and pass Argo's own lint."""

import hashlib
import importlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

Spec = dict[str, Any]

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"
FOLDER = ROOT / "charts" / "opsjobs" / "files" / "workflowtemplates"
NAMES = sorted(path.stem for path in FOLDER.iterdir())


@pytest.fixture
def render() -> Any:
    """workflow_templates.render, imported where it is needed: Hera takes two seconds of processor."""
    return importlib.import_module("workflow_templates.render")


def committed(job_type: str) -> Any:
    # libyaml's reader, for the other takes a second of every test.
    return yaml.load((FOLDER / f"{job_type}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)


def ours(job_type: str) -> list[Spec]:
    """The templates of pods, all of which run the product image."""
    return [entry for entry in committed(job_type)["spec"]["templates"] if "container" in entry]


def template(job_type: str, name: str) -> Spec:
    found: list[Spec] = [entry for entry in committed(job_type)["spec"]["templates"] if entry["name"] == name]
    assert len(found) == 1
    return found[0]


@pytest.mark.slow
@pytest.mark.parametrize("job_type", NAMES)
def test_the_file_is_current(render: Any, job_type: str) -> None:
    path = FOLDER / f"{job_type}.yaml"
    assert path.read_text(encoding="utf-8") == render.rendered(job_type), "run `make render`"


@pytest.mark.slow
def test_no_file_is_left_over(render: Any) -> None:
    assert set(NAMES) == set(render.TEMPLATES)


@pytest.mark.parametrize("job_type", NAMES)
def test_a_name_never_changes_its_meaning(job_type: str) -> None:
    manifest = committed(job_type)
    digest = hashlib.sha256(json.dumps(manifest["spec"], sort_keys=True).encode()).hexdigest()[:8]
    assert manifest["metadata"]["name"] == f"opsjob-{job_type.partition('-')[0]}-{digest}"


@pytest.mark.parametrize("job_type", NAMES)
def test_every_pod_is_ours_and_asks_for_little(job_type: str) -> None:
    pods = ours(job_type)
    assert pods
    for entry in pods:
        container = entry["container"]
        assert (container["image"], container["imagePullPolicy"]) == ("OPSJOBS_IMAGE", "OPSJOBS_IMAGE_PULL_POLICY")
        assert container["command"][:2] == ["python3", "-m"], "without a command Argo asks the registry for one"
        # Memory that a step keeps to, whatever comes, may be held to it.
        assert set(container["resources"].get("limits", {})) <= {"memory"}


@pytest.mark.parametrize("job_type", NAMES)
def test_no_pod_runs_as_root(job_type: str) -> None:
    """Nor with a user id of others where it shares their processes (docs/decisions/0009)."""
    for entry in ours(job_type):
        security = entry["container"]["securityContext"]
        assert security["runAsNonRoot"] is True
        shares_the_hosts_processes = "hostPID" in entry.get("podSpecPatch", "")
        assert security.get("privileged", False) is shares_the_hosts_processes
        assert (security["runAsUser"] == 2_000_075_000) is shares_the_hosts_processes
        if not shares_the_hosts_processes:
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}


def test_a_nodes_pod_is_pinned_and_tolerates_everything() -> None:
    node = template("addon", "node")
    terms = node["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    expression = {"key": "metadata.name", "operator": "In", "values": ["{{inputs.parameters.node}}"]}
    assert terms == [{"matchFields": [expression]}]
    assert node["tolerations"] == [{"operator": "Exists"}]
    assert node["container"]["resources"] == {"requests": {"cpu": "0", "memory": "0"}}, "it fits on a full node"


@pytest.mark.parametrize("job_type", NAMES)
def test_a_pod_that_may_run_anywhere_does_not_go_to_a_node_that_is_down(job_type: str) -> None:
    """Not even for the 300 s that Kubernetes adds where a pod says nothing of these taints."""
    anywhere = [entry for entry in ours(job_type) if entry["tolerations"] != [{"operator": "Exists"}]]
    assert anywhere
    for entry in anywhere:
        every_noschedule, *of_nodes_down = entry["tolerations"]
        assert every_noschedule == {"operator": "Exists", "effect": "NoSchedule"}
        assert [(t["key"], t["effect"], t["operator"], t["value"]) for t in of_nodes_down] == [
            ("node.kubernetes.io/not-ready", "NoExecute", "Equal", "never"),
            ("node.kubernetes.io/unreachable", "NoExecute", "Equal", "never"),
        ]


TO_THE_END = {"addon": ["evaluate", "restore"], "reboot": ["clean-up"], "preflight": ["restore", "report"]}


@pytest.mark.parametrize(("job_type", "name"), [(kind, name) for kind, names in TO_THE_END.items() for name in names])
def test_what_must_run_in_the_end_is_tried_again_where_its_pod_was_lost(job_type: str, name: str) -> None:
    retry = template(job_type, name)["retryStrategy"]
    assert retry["retryPolicy"] == "Always"
    assert retry["expression"] == "lastRetry.exitCode != '1' && lastRetry.exitCode != '2'"


@pytest.mark.parametrize("job_type", ["dumplog", "dumplog-with-nodes"])
def test_an_archive_is_begun_again_where_its_pod_was_lost_but_not_for_ever(job_type: str) -> None:
    retry = template(job_type, "dumplog")["retryStrategy"]
    assert retry["retryPolicy"] == "Always"
    assert retry["expression"] == "lastRetry.exitCode != '1' && lastRetry.exitCode != '2'"
    assert 1 <= retry["limit"] <= 10


@pytest.mark.parametrize("name", ["check", "checks"])
def test_a_runner_is_restricted_and_has_an_account_of_its_own(name: str) -> None:
    runner = template("preflight", name)
    assert runner["serviceAccountName"] == "opsjob-check"
    assert runner["container"]["securityContext"]["runAsNonRoot"]
    assert {mount["name"] for mount in runner["container"]["volumeMounts"]} == {"files", "scratch"}, (
        "no key of the store"
    )
    assert "podSpecPatch" not in runner
    retry = runner["retryStrategy"]["expression"]
    assert retry == "lastRetry.exitCode == '75' || lastRetry.exitCode == '-1'", "a check's own end is not repeated"


@pytest.mark.parametrize("kind", ["addon", "preflight", "reboot"])
def test_what_gives_nodes_back_is_a_step_of_the_exit_handler(kind: str) -> None:
    """Argo 4.0.7 has the job's deadline end the attempts of an exit handler that is itself a retried container."""
    handler = template(kind, committed(kind)["spec"]["onExit"])
    first = handler["steps"][0][0]
    assert template(kind, first["template"])["container"]["command"][0] == "python3"
    assert "retryStrategy" not in handler


def test_a_preflight_job_gives_its_nodes_back_whatever_becomes_of_its_report() -> None:
    steps = template("preflight", "finish")["steps"]
    assert [[step["name"] for step in group] for group in steps] == [["restore", "report"], ["picture"]]
    assert steps[0][0]["continueOn"] == {"error": True, "failed": True}
    assert committed("preflight")["spec"]["onExit"] == "finish"


def test_argo_shows_the_picture_as_a_page_and_nothing_hangs_on_it() -> None:
    (artifact,) = template("preflight", "picture")["outputs"]["artifacts"]
    assert artifact["s3"] == {"key": "OPSJOBS_STORE_PREFIXpreflight/{{workflow.name}}/matrix.html"}
    assert artifact["artifactGC"] == {"strategy": "Never"}
    assert artifact["archive"] == {"none": {}}
    assert "retryStrategy" not in template("preflight", "picture")
    step = template("preflight", "finish")["steps"][1][0]
    assert step["continueOn"] == {"error": True, "failed": True}
    assert step["when"] == "'OPSJOBS_STORE_SHOWN' == 'yes'"


def test_no_node_can_hold_up_or_fail_a_dumplog_job_that_asks_for_its_logs() -> None:
    (nodes,), (archive,) = template("dumplog-with-nodes", "with-nodes")["steps"]
    assert (nodes["template"], archive["template"]) == ("node-log", "dumplog")
    assert nodes["continueOn"] == {"error": True, "failed": True}
    assert "continueOn" not in archive
    step = template("dumplog-with-nodes", "node-log")
    assert step["activeDeadlineSeconds"] == "{{workflow.parameters.node-log-seconds}}"
    assert "timeout" not in step, "it would fail the job"
    assert step["metadata"]["annotations"]["opsjob.io/node"] == "{{inputs.parameters.node}}"
    assert step["serviceAccountName"] == "opsjob-dumplog-node"
    assert template("dumplog-with-nodes", "dumplog") == template("dumplog", "dumplog")


def test_argo_signals_neither_the_hosts_init_nor_the_wait_container() -> None:
    annotations = template("addon", "node")["metadata"]["annotations"]
    main = json.loads(annotations["workflows.argoproj.io/kill-cmd-main"])
    wait = json.loads(annotations["workflows.argoproj.io/kill-cmd-wait"])
    assert main[2].replace("%%", "%") == "printf %s %d > /var/run/argo/ctr/main/signal"
    assert "kill" not in wait


@pytest.mark.parametrize("job_type", NAMES)
def test_argos_own_container_is_signalled_by_the_program_of_its_own_image(job_type: str) -> None:
    """Not by the one in the volume that it shares with main: whoever replaces that has the step's token (issue 16)."""
    spec = committed(job_type)["spec"]
    for entry in ours(job_type):
        own = entry.get("metadata", {}).get("annotations", {})
        annotations = spec["podMetadata"].get("annotations", {}) | own
        command = json.loads(annotations["workflows.argoproj.io/kill-cmd-wait"])
        assert command[0] == "argoexec"
        assert command[1:] == (["version"] if own else ["kill", "%d", "1"]), "1 is the host's init, under hostPID"


def test_only_a_node_that_was_not_touched_is_tried_again() -> None:
    retry = template("addon", "node")["retryStrategy"]
    assert retry["expression"] == "lastRetry.exitCode == '75'"
    assert retry["retryPolicy"] == "OnFailure"
    assert retry["limit"] >= 1_000_000
    assert retry["backoff"] == {"duration": "5s", "factor": 2, "cap": "300s"}


@pytest.mark.parametrize("job_type", NAMES)
def test_no_step_that_waits_long_is_ever_tried_in_a_hot_loop(job_type: str) -> None:
    """By the formula of Argo 4.0.7 (operator.go, processNodeRetries), which sets aside what int64 cannot hold."""
    largest = 2**63 - 1
    for entry in committed(job_type)["spec"]["templates"]:
        if not (backoff := entry.get("retryStrategy", {}).get("backoff")):
            continue
        base, cap = (int(backoff[key].removesuffix("s")) * 10**9 for key in ("duration", "cap"))
        waits = []
        for attempts in range(1, 10_001):
            exponent = min(attempts - 1, 1_000)  # beyond it Go's factor is +Inf, Python's an error
            factor = float(backoff.get("factor", 1)) ** exponent
            waits.append(min(largest if factor > largest / base else base * int(factor), cap))
        assert waits == sorted(waits)
        assert 5 * 10**9 <= waits[0] <= waits[-1] <= 300 * 10**9


def test_argos_defaults_collect_no_pod_of_an_addon_job() -> None:
    pod_gc = committed("addon")["spec"]["podGC"]
    assert pod_gc["strategy"], "an empty one is none, and the defaults' would be taken"
    (wanted,) = pod_gc["labelSelector"]["matchLabels"].items()
    labels = [entry.get("metadata", {}).get("labels", {}) for entry in committed("addon")["spec"]["templates"]]
    assert all(wanted not in each.items() for each in [committed("addon")["spec"]["podMetadata"]["labels"], *labels])


def test_the_outcome_may_be_missing() -> None:
    (outcome,) = template("addon", "node")["outputs"]["parameters"]
    assert outcome == {"name": "outcome", "valueFrom": {"path": "/tmp/outcome.json", "default": ""}}  # noqa: S108 - the pod's own


def test_user_text_is_spliced_into_nothing() -> None:
    """Parameters are names, numbers and words; what an addon runs is a file (docs/decisions/0003)."""
    spec = committed("addon")["spec"]
    names = {parameter["name"] for parameter in spec["arguments"]["parameters"]}
    numbers, words = {"planned", "required", "batch-count"}, {"security-upgrade", "tolerate-all", "system-namespaces"}
    assert names == {"nodes", "phases", "plan", *numbers, *words}
    assert spec["volumes"][0] == {"name": "files", "configMap": {"name": "{{workflow.name}}"}}
    assert all("script" not in entry for entry in spec["templates"])


def test_a_reboot_goes_through_the_stages_of_the_contract_in_their_order() -> None:
    stages = [group[0] for group in template("reboot", "node")["steps"]]
    names = ["lease", "cordon", "evict", "note-boot-id", "reboot", "wait", "restore", "release"]
    assert [stage["name"] for stage in stages] == [stage["template"] for stage in stages] == names
    assert [stage["name"] for stage in stages if "continueOn" in stage] == ["reboot"]


def test_nodes_reboot_one_after_another_until_one_fails() -> None:
    loop = template("reboot", "one-after-another")
    assert (loop["parallelism"], loop["failFast"]) == (1, True)
    assert committed("reboot")["spec"]["entrypoint"] == "one-after-another"


def test_only_the_stage_that_tells_the_host_runs_there_and_only_it_is_never_repeated() -> None:
    for entry in committed("reboot")["spec"]["templates"]:
        if "container" not in entry or entry["name"] == "clean-up":
            continue
        affinity = entry["affinity"]["nodeAffinity"]
        if entry["name"] == "reboot":
            assert "retryStrategy" not in entry
            assert "requiredDuringSchedulingIgnoredDuringExecution" in affinity
            continue
        assert entry["retryStrategy"]["retryPolicy"] == "Always"
        assert entry["retryStrategy"]["expression"] == "lastRetry.exitCode != '1' && lastRetry.exitCode != '2'"
        (elsewhere,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
        expression = {"key": "metadata.name", "operator": "NotIn", "values": ["{{inputs.parameters.node}}"]}
        assert elsewhere["preference"]["matchFields"] == [expression]
        assert entry["metadata"]["labels"] == {"opsjob.io/step": "node"}, "the clean-up waits for it to end"


def test_what_later_stages_stand_on_is_never_empty_by_default() -> None:
    (output,) = template("reboot", "note-boot-id")["outputs"]["parameters"]
    assert output == {"name": "boot-id", "valueFrom": {"path": "/tmp/boot-id"}}  # noqa: S108 - the pod's own


def test_a_node_that_cannot_start_the_stage_that_tells_it_is_given_up() -> None:
    assert template("reboot", "reboot")["activeDeadlineSeconds"] == 600
    assert template("reboot", "clean-up")["container"]["command"][-1] == "workflow_templates.reboot.reboot_clean_up"


@pytest.mark.slow
def test_check_says_which_file_is_not_current(
    render: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(render, "FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["render", "--check"])
    assert render.main() == 1
    assert "addon.yaml" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["render"])
    assert render.main() == 0
    monkeypatch.setattr("sys.argv", ["render", "--check"])
    assert render.main() == 0


@pytest.mark.programs
@pytest.mark.parametrize("job_type", NAMES)
def test_argo_lint_is_content(job_type: str) -> None:
    command: list[str | Path] = [
        BUILD / "bin" / "argo",
        "lint",
        "--offline",
        "--no-color",
        FOLDER / f"{job_type}.yaml",
    ]
    linted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "no linting errors found" in linted.stdout


def test_a_job_loops_over_its_nodes_group_by_group() -> None:
    ((over_groups,),) = template("addon", "nodes")["steps"]
    ((over_nodes,),) = template("addon", "group")["steps"]
    of_the_phase = "{{=toJSON(fromJSON(workflow.parameters.plan)[int(inputs.parameters.phase) - 1].groups)}}"
    assert (over_groups["template"], over_groups["withParam"]) == ("group", of_the_phase)
    bounds = [f"int(split(inputs.parameters.group, ' to ')[{end}])" for end in (0, 1)]
    of_the_group = f"{{{{=toJSON(fromJSON(workflow.parameters.nodes)[{bounds[0]} - 1:{bounds[1]}])}}}}"
    assert (over_nodes["template"], over_nodes["withParam"]) == ("node", of_the_group)
    # A limit of a group's own would leave slots empty that nodes of other groups wait for.
    limited = [entry["name"] for entry in committed("addon")["spec"]["templates"] if "parallelism" in entry]
    assert limited == ["addon"], "one phase at a time"


def test_phases_follow_one_another_until_one_fails() -> None:
    loop = template("addon", "addon")
    assert (loop["parallelism"], loop["failFast"]) == (1, True)
    steps = [[step["name"] for step in group] for group in template("addon", "phase")["steps"]]
    assert steps == [["nodes"], ["settle", "evaluate"], ["soak"], ["gate"]]


@pytest.mark.parametrize("name", ["soak", "gate"])
def test_what_a_phase_waits_for_ends_without_a_write_to_the_status(name: str) -> None:
    """Argo fills the annotation in at each of its turns, and a duration that has passed ends a suspended step."""
    advanced = "int(inputs.parameters.advanced) >= int(inputs.parameters.phase)"
    expression = f"{{{{={advanced} ? '1' : inputs.parameters.seconds}}}}"
    assert template("addon", name)["suspend"] == {"duration": expression}
    (step,) = (step for group in template("addon", "phase")["steps"] for step in group if step["name"] == name)
    given = {parameter["name"]: parameter["value"] for parameter in step["arguments"]["parameters"]}
    assert given["advanced"] == "{{=fromJSON(workflow.annotations.json)['opsjob.io/advanced'] ?? '0'}}"


def test_a_rollout_of_reboots_has_three_pods_a_node_and_only_the_one_on_the_host_is_never_repeated() -> None:
    tasks = template("reboot-rollout", "node")["dag"]["tasks"]
    assert [(task["name"], task["template"], task.get("depends", "")) for task in tasks] == [
        ("begin", "begin", ""),
        ("reboot", "reboot", "begin.Succeeded"),
        ("end", "end", "reboot.Succeeded || reboot.Failed || reboot.Errored"),
    ]
    assert template("reboot-rollout", "reboot") == template("reboot", "reboot")
    for name in ("begin", "end"):
        retry = template("reboot-rollout", name)["retryStrategy"]
        assert retry["retryPolicy"] == "Always"
        assert retry["expression"].startswith("lastRetry.exitCode != '1' && lastRetry.exitCode != '2'")
    assert "lastRetry.exitCode != '76'" in template("reboot-rollout", "begin")["retryStrategy"]["expression"]
    assert template("reboot-rollout", "clean-up") == template("reboot", "clean-up")


def test_a_lane_reboots_one_node_after_another_and_ends_at_a_failure_where_none_is_tolerated() -> None:
    lanes = {name: template("reboot-rollout", name) for name in ("lane", "tolerant-lane")}
    assert {name: (lane["parallelism"], lane["failFast"]) for name, lane in lanes.items()} == {
        "lane": (1, True),
        "tolerant-lane": (1, False),
    }
    ((over_lanes, over_tolerant),) = template("reboot-rollout", "nodes")["steps"]
    assert over_lanes["withParam"].endswith("['lanes'])}}")
    assert over_tolerant["withParam"].endswith("['tolerant-lanes'])}}")

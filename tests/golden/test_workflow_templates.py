"""The committed WorkflowTemplates are what Hera renders, hold what the design promises, and pass Argo's own lint."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflow_templates import render

Spec = dict[str, Any]

BUILD = Path(__file__).parents[2] / "build"


def committed(job_type: str) -> Any:
    return yaml.safe_load((render.FOLDER / f"{job_type}.yaml").read_text(encoding="utf-8"))


def template(job_type: str, name: str) -> Spec:
    found: list[Spec] = [entry for entry in committed(job_type)["spec"]["templates"] if entry["name"] == name]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("job_type", render.TEMPLATES)
def test_the_file_is_current(job_type: str) -> None:
    path = render.FOLDER / f"{job_type}.yaml"
    assert path.read_text(encoding="utf-8") == render.rendered(job_type), "run `make render`"


def test_no_file_is_left_over() -> None:
    assert {path.stem for path in render.FOLDER.iterdir()} == set(render.TEMPLATES)


@pytest.mark.parametrize("job_type", render.TEMPLATES)
def test_a_name_never_changes_its_meaning(job_type: str) -> None:
    manifest = committed(job_type)
    digest = hashlib.sha256(json.dumps(manifest["spec"], sort_keys=True).encode()).hexdigest()[:8]
    assert manifest["metadata"]["name"] == f"opsjob-{job_type}-{digest}"


@pytest.mark.parametrize("job_type", render.TEMPLATES)
def test_every_pod_is_ours_and_asks_for_little(job_type: str) -> None:
    pods = [entry for entry in committed(job_type)["spec"]["templates"] if "container" in entry]
    assert pods
    for entry in pods:
        container = entry["container"]
        assert (container["image"], container["imagePullPolicy"]) == ("OPSJOBS_IMAGE", "OPSJOBS_IMAGE_PULL_POLICY")
        assert container["command"][:2] == ["python3", "-m"], "without a command Argo asks the registry for one"
        assert "limits" not in container["resources"]


@pytest.mark.parametrize("job_type", render.TEMPLATES)
def test_no_pod_runs_as_root(job_type: str) -> None:
    """Nor with a user id of others where it shares their processes (docs/decisions/0009)."""
    for entry in committed(job_type)["spec"]["templates"]:
        if "container" not in entry:
            continue
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


@pytest.mark.parametrize("name", ["evaluate", "restore"])
def test_a_pod_that_may_run_anywhere_does_not_go_to_a_dying_node(name: str) -> None:
    assert template("addon", name)["tolerations"] == [{"operator": "Exists", "effect": "NoSchedule"}]


def test_argo_signals_neither_the_hosts_init_nor_the_wait_container() -> None:
    annotations = template("addon", "node")["metadata"]["annotations"]
    main = json.loads(annotations["workflows.argoproj.io/kill-cmd-main"])
    wait = json.loads(annotations["workflows.argoproj.io/kill-cmd-wait"])
    assert main[2].replace("%%", "%") == "printf %s %d > /var/run/argo/ctr/main/signal"
    assert "kill" not in wait


def test_only_a_node_that_was_not_touched_is_tried_again() -> None:
    retry = template("addon", "node")["retryStrategy"]
    assert retry["expression"] == "lastRetry.exitCode == '75'"
    assert retry["retryPolicy"] == "OnFailure"
    assert retry["limit"] >= 1_000_000
    assert retry["backoff"] == {"duration": "5s", "factor": 2, "cap": "60s"}


def test_the_outcome_may_be_missing() -> None:
    (outcome,) = template("addon", "node")["outputs"]["parameters"]
    assert outcome == {"name": "outcome", "valueFrom": {"path": "/tmp/outcome.json", "default": ""}}  # noqa: S108 - the pod's own


def test_user_text_is_spliced_into_nothing() -> None:
    """Parameters are names, numbers and words; what an addon runs is a file (docs/decisions/0003)."""
    spec = committed("addon")["spec"]
    names = {parameter["name"] for parameter in spec["arguments"]["parameters"]}
    assert names == {"nodes", "planned", "required", "security-upgrade", "system-namespaces"}
    assert spec["volumes"][0] == {"name": "files", "configMap": {"name": "{{workflow.name}}"}}
    assert all("script" not in entry for entry in spec["templates"])


def test_check_says_which_file_is_not_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(render, "FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["render", "--check"])
    assert render.main() == 1
    assert "addon.yaml" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["render"])
    assert render.main() == 0
    monkeypatch.setattr("sys.argv", ["render", "--check"])
    assert render.main() == 0


@pytest.mark.e2e
@pytest.mark.parametrize("job_type", render.TEMPLATES)
def test_argo_lint_is_content(job_type: str) -> None:
    argo = Path(json.loads((BUILD / "cluster.json").read_text())["bin"]) / "argo"
    command: list[str | Path] = [argo, "lint", "--offline", "--no-color", render.FOLDER / f"{job_type}.yaml"]
    linted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "no linting errors found" in linted.stdout

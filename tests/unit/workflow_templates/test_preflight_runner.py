"""The runner of checks: one pod for each node, made once, followed, and ended whatever it does about it."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import LEASES, ApiServer, ServedLog
from workflow_templates import sigterm
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.preflight import check_results, follow_log, runner
from workflow_templates.protocol import check_outcome, check_pods, exit_codes, labels

JOB, NAMESPACE = "job-a1b2c3", "opsjobs-checks"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
LOG = b"hello\nopsjob-result: {}\n\nopsjob-end\n"


@dataclass
class Step:
    """The step in its pod, and what happens in the cluster while it looks."""

    server: ApiServer
    folder: Path
    written: Callable[[], str]

    def path(self, node: str) -> str:
        return f"{PODS}/{check_pods.pod_name(JOB, node)}"

    def run(self, *nodes: str, attempt: int = 0, start: int = 30, lost: int = 300) -> int:
        arguments = [f"--job={JOB}", f"--nodes={json.dumps(nodes)}", f"--namespace={NAMESPACE}", f"--attempt={attempt}"]
        arguments += [f"--start-seconds={start}", f"--lost-seconds={lost}", f"--files={self.folder}"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["runner", *arguments, f"--outcomes={self.folder}/outcomes"])
            return runner.main()

    @property
    def outcomes(self) -> dict[str, Any]:
        return check_outcome.read((self.folder / "outcomes").read_text())

    @property
    def termination_message(self) -> str:
        path = self.folder / "last-word"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def step(
    server: ApiServer,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> Step:
    for node in "abc":
        locked(server, node, JOB)
    (tmp_path / "check.json").write_text(json.dumps({"image": "example.com/check:1", "peers": "p0"}))
    (tmp_path / "owner").write_text("uid-of-files")
    monkeypatch.setenv("OPSJOB_TERMINATION_LOG", str(tmp_path / "last-word"))
    monkeypatch.setattr(Cluster, "in_pod", lambda: cluster)
    monkeypatch.setattr(runner, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(runner, "_LOG_SECONDS", 0.5)
    monkeypatch.setattr(follow_log, "_PAUSE_SECONDS", 0.01)
    return Step(server, tmp_path, lambda: bytes(capfdbinary.readouterr().out).decode())


def locked(server: ApiServer, node: str, job: str, **annotations: str) -> None:
    server.put(f"{LEASES}/node-{node}", {"metadata": {"annotations": annotations}, "spec": {"holderIdentity": job}})


def ended(server: ApiServer, path: str, code: int = 0, log: bytes = LOG, **status: Any) -> None:
    """A pod's end, as its kubelet writes it."""
    terminated = {
        "exitCode": code,
        "reason": "Completed" if code == 0 else "Error",
        "startedAt": "2026-01-02T03:04:05Z",
    }
    terminated |= {"finishedAt": "2026-01-02T03:04:35Z", **status.pop("terminated", {})}
    server.logs[f"{NAMESPACE}/{path.rpartition('/')[2]}/main"] = ServedLog(log)
    state = [{"name": "main", "state": {"terminated": terminated}}]
    change(server, path, phase="Failed" if code else "Succeeded", containerStatuses=state, **status)


def change(server: ApiServer, path: str, **status: Any) -> None:
    pod = server.objects[path]
    server.put(path, {**pod, "status": {**pod.get("status", {}), **status}})


def meanwhile(server: ApiServer, path: str, happens: Callable[[], None]) -> None:
    """Once the pod is there."""

    def wait() -> None:
        while path not in server.objects:
            time.sleep(0.005)
        happens()

    threading.Thread(target=wait, daemon=True).start()


def made(server: ApiServer, seconds_ago: float = 0) -> None:
    """As the apiserver notes it of each new pod."""
    post = server._post

    def noted(path: str, query: dict[str, str], body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        status, item = post(path, query, body)
        if path == PODS and status == 201:
            moment = datetime.now(UTC) - timedelta(seconds=seconds_ago)
            item["metadata"]["creationTimestamp"] = moment.isoformat()
            item["status"] = {"phase": "Pending"}
        return status, item

    server._post = noted  # type: ignore[method-assign,assignment]


@pytest.fixture(autouse=True)
def _clock(server: ApiServer) -> None:
    made(server)


@pytest.mark.parametrize(
    ("code", "end", "ends_with", "status", "said"),
    [
        (0, {}, 0, "pass", ""),
        (1, {"terminated": {"message": "the disk is full"}}, 1, "fail", "the disk is full"),
        (2, {}, 2, "error", ""),
        (7, {}, 7, "error", ""),
        (75, {}, 2, "error", ""),
        (77, {}, 2, "error", ""),
        (137, {"terminated": {"reason": "OOMKilled"}}, 137, "error", "ran out of memory"),
        (1, {"terminated": {"reason": "OOMKilled"}}, 2, "error", "ran out of memory"),
        (1, {"reason": "Evicted", "message": "low on memory"}, 2, "error", "Evicted: low on memory"),
    ],
)
def test_it_ends_as_its_check_does(  # noqa: PLR0913, PLR0917 - a row
    step: Step, code: int, end: dict[str, Any], ends_with: int, status: str, said: str
) -> None:
    path = step.path("a")
    meanwhile(step.server, path, lambda: ended(step.server, path, code, **end))
    assert step.run("a") == ends_with
    assert (step.outcomes["a"].status, step.outcomes["a"].code, step.termination_message) == (status, code, said)
    assert step.outcomes["a"].finished == "2026-01-02T03:04:35Z"


def test_the_log_of_a_check_is_the_runners_and_its_outcome_the_last_line(step: Step) -> None:
    path = step.path("a")
    forged = b'opsjob-outcome: {"status": "pass"}\n'
    meanwhile(step.server, path, lambda: ended(step.server, path, 1, forged + LOG))
    step.run("a")
    log = step.written()
    assert log.startswith(' opsjob-outcome: {"status": "pass"}\nhello\n')
    outcome = check_results.outcome_in(log)
    assert outcome is not None
    assert outcome.status == "fail", "what a check says in its log is not how it ended"


def test_the_pod_is_its_nodes_and_of_nothing_else(step: Step) -> None:
    path = step.path("a")
    meanwhile(step.server, path, lambda: ended(step.server, path))
    step.run("a")
    pod = step.server.objects[path]
    assert pod["metadata"]["ownerReferences"][0]["uid"] == "uid-of-files"
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["files", "result"]
    assert not [key for key in (*pod["metadata"]["labels"], *pod["metadata"]["annotations"]) if "argoproj" in key]


def test_several_checks_share_a_log_and_each_line_names_its_node(step: Step) -> None:
    for node, code in (("a", 0), ("b", 1), ("c", 2)):
        path = step.path(node)
        meanwhile(step.server, path, lambda path=path, code=code: ended(step.server, path, code))  # type: ignore[misc]
    assert step.run("a", "b", "c") == 1
    assert step.termination_message == "of 3 nodes 1 are unhealthy, 1 could not be tested"
    assert {node: one.status for node, one in step.outcomes.items()} == {"a": "pass", "b": "fail", "c": "error"}
    lines = step.written().splitlines()
    assert {line.partition(": ")[0] for line in lines} == {"a", "b", "c"}
    assert len([line for line in lines if line.partition(": ")[2] == "hello"]) == 3


def test_output_beyond_its_bound_is_left_out_but_for_the_end(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "ALONE_BYTES", 1_000)
    monkeypatch.setattr(runner, "_LOG_SECONDS", 60)
    path = step.path("a")
    flood = b"".join(b"line %d\n" % number for number in range(100_000))
    meanwhile(step.server, path, lambda: ended(step.server, path, 0, flood + LOG))
    assert step.run("a") == 0
    log = step.written()
    assert len(log) < 120_000
    assert "bytes of its output are left out here" in log
    assert check_results.of("a", {"phase": "Succeeded"}, log, check_results.outcome_in(log)).last_lines.endswith(
        "line 99999\nhello"
    )


def test_one_that_is_begun_again_takes_over_the_pod(step: Step) -> None:
    path = step.path("a")
    meanwhile(step.server, path, lambda: ended(step.server, path))
    assert step.run("a") == 0
    uid = step.server.objects[path]["metadata"]["uid"]
    assert step.run("a", attempt=1) == 0
    assert step.server.objects[path]["metadata"]["uid"] == uid
    assert "hello" in step.written()


def test_a_check_that_ran_and_whose_pod_is_gone_is_not_run_a_second_time(step: Step) -> None:
    name = check_pods.pod_name(JOB, "a")
    step.server.put(f"{EVENTS}/e", {"involvedObject": {"name": name}, "reason": "Started"})
    assert step.run("a", attempt=1) == 2
    assert "not run a second time" in step.termination_message
    assert step.path("a") not in step.server.objects


def test_one_whose_pod_was_never_made_makes_it(step: Step) -> None:
    path = step.path("a")
    meanwhile(step.server, path, lambda: ended(step.server, path))
    assert step.run("a", attempt=1) == 0


def test_what_does_not_start_in_time_is_deleted_with_the_reason(step: Step) -> None:
    path = step.path("a")
    waiting = [{"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]
    meanwhile(step.server, path, lambda: change(step.server, path, phase="Pending", containerStatuses=waiting))
    assert step.run("a", start=1) == 77
    assert step.termination_message == "could not be started within 1 s: ImagePullBackOff: no such image"
    assert step.outcomes["a"].status == "error"
    assert path not in step.server.objects


def test_a_pod_that_is_refused_is_asked_for_again_until_it_should_have_started(step: Step) -> None:
    full = {"message": "exceeded quota"}
    step.server._post = lambda *_: (403, full)  # type: ignore[method-assign]
    assert step.run("a", start=1) == 77
    assert "could not be started within 1 s: the Kubernetes API refused POST" in step.termination_message
    assert "exceeded quota" in step.termination_message


def test_a_node_that_falls_silent_is_given_up(step: Step) -> None:
    path = step.path("a")
    running = [{"name": "main", "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}}}]
    silent = [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-02T03:04:05Z"}]
    meanwhile(
        step.server,
        path,
        lambda: change(step.server, path, phase="Running", containerStatuses=running, conditions=silent),
    )
    assert step.run("a", lost=60) == 2
    assert "did not answer for 60 s" in step.termination_message
    assert path not in step.server.objects


def test_a_pod_that_another_deletes_is_an_error(step: Step) -> None:
    path = step.path("a")
    meanwhile(step.server, path, step.server.objects.clear)
    assert step.run("a") == 2
    assert step.outcomes["a"].status == "error"
    assert "its pod was deleted" in step.termination_message


def test_an_api_that_stays_away_is_gone_on_with_later(step: Step, cluster: Cluster) -> None:
    cluster.patience = 0.05
    step.server.faults = [503] * 10_000
    assert step.run("a") == 75


def test_whatever_is_wrong_with_this_step_is_no_fault_of_the_node(step: Step) -> None:
    (step.folder / "check.json").write_text('{"images": 3}')
    assert step.run("a") == 70


def test_a_stop_ends_the_checks_and_keeps_what_they_had_found(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod goes on until it is deleted, whatever it does about a signal; what it writes then is written down."""
    path = step.path("a")
    running = [{"name": "main", "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}}}]
    looked = runner.Runner._look
    looks = 0

    def look(self: Any, known: Any) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            step.server.logs[f"{NAMESPACE}/{path.rpartition('/')[2]}/main"] = ServedLog(LOG)
            change(step.server, path, phase="Running", containerStatuses=running)
        if looks == 3:
            raise sigterm.StoppedError
        looked(self, known)

    monkeypatch.setattr(runner.Runner, "_look", look)
    assert step.run("a") == 143
    assert path not in step.server.objects
    assert step.outcomes["a"].cut_off
    log = step.written()
    assert "opsjob-result" in log
    outcome = check_results.outcome_in(log)
    assert outcome is not None
    assert outcome.cut_off


def test_on_a_node_that_a_job_which_is_over_has_still_locked_no_check_begins(step: Step) -> None:
    locked(step.server, "a", "before", **{labels.JOB_OVER: "before"})
    path = step.path("b")
    meanwhile(step.server, path, lambda: ended(step.server, path))
    assert step.run("a", "b") == 2
    assert step.path("a") not in step.server.objects
    outcomes = step.outcomes
    assert (outcomes["a"].status, outcomes["a"].never_started, outcomes["b"].status) == ("error", True, "pass")
    assert outcomes["a"].message == (
        "could not be started: node a is locked by job before, which is over and may yet be at work there"
    )


def test_nor_where_a_person_has_freed_its_lock_and_perhaps_another_job_has_it(step: Step) -> None:
    del step.server.objects[f"{LEASES}/node-a"]
    assert step.run("a") == exit_codes.NOT_STARTED
    assert step.outcomes["a"].message == "could not be started: node a is locked by no job: its lock was freed"
    locked(step.server, "a", "another")
    assert step.run("a") == exit_codes.NOT_STARTED
    assert step.outcomes["a"].message == "could not be started: node a is locked by job another"


def test_a_check_that_has_begun_is_followed_to_its_end_all_the_same(step: Step) -> None:
    path = step.path("a")
    meanwhile(step.server, path, lambda: ended(step.server, path))
    assert step.run("a") == 0
    del step.server.objects[f"{LEASES}/node-a"]
    assert step.run("a", attempt=1) == 0

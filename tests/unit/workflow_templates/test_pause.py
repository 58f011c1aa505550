"""A job without a rollout begins no node while it is paused (contract: Rollouts)."""

import argparse
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.workflow_templates.apiserver import LEASES, WORKFLOWS, ApiServer
from workflow_templates import held_back, pause
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol import exit_codes, labels
from workflow_templates.reboot import lock_node

JOB = f"{WORKFLOWS}/job-1"
LOCK = f"{LEASES}/node-gpu-1"


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


class Person:
    """Pauses the job, and does something else while a step waits for the first time."""

    def __init__(self, server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.monkeypatch = server, monkeypatch
        self.waited: list[float] = []

    def pauses(self, *, by: str = "anna: looks bad", then_stops: bool = False) -> None:
        self.server.put(JOB, {"metadata": {"annotations": {labels.PAUSED: by}}})
        self.server.put("/api/v1/nodes/gpu-1", {"spec": {}, "status": {}})

        def sleep(seconds: float) -> None:
            self.waited.append(seconds)
            if then_stops:
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                self.server.put(JOB, {"metadata": {"annotations": {}}})

        self.monkeypatch.setattr(held_back, "time", SimpleNamespace(sleep=sleep))


@pytest.fixture
def person(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(server, monkeypatch)


def lock(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> int:
    """The first stage of a node that is rebooted."""
    monkeypatch.setattr(Cluster, "in_pod", lambda: cluster)
    arguments = argparse.Namespace(job="job-1", node="gpu-1")
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", lambda _: arguments)
    return lock_node.main()


@pytest.mark.parametrize("there", [True, False])
def test_a_job_that_is_not_paused_waits_for_nothing(server: ApiServer, cluster: Cluster, *, there: bool) -> None:
    if there:
        server.put(JOB, {})
    pause.wait(cluster, "job-1", "node gpu-1")


def test_a_reboot_is_begun_when_the_job_is_resumed(
    server: ApiServer, cluster: Cluster, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.pauses()
    assert lock(cluster, monkeypatch) == 0
    assert len(person.waited) == 1
    assert LOCK in server.objects


def test_a_reboot_that_is_stopped_while_it_is_paused_has_touched_nothing(
    server: ApiServer, cluster: Cluster, person: Person, monkeypatch: pytest.MonkeyPatch, termination_message: Path
) -> None:
    person.pauses(then_stops=True)
    assert lock(cluster, monkeypatch) == exit_codes.WAITING
    assert termination_message.read_text() == "the job is paused by anna: looks bad"
    assert LOCK not in server.objects

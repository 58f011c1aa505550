"""After a phase with failures: the job goes on, ends, or waits for a person."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import LEASES, WORKFLOWS, ApiServer
from workflow_templates import settle
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol import labels
from workflow_templates.protocol.rollout import Phase, Rollout

JOB = f"{WORKFLOWS}/job-1"


def a_job(server: ApiServer, folder: Path, letters: str, **fields: Any) -> Path:
    server.put(JOB, {"metadata": {"uid": "uid-1"}})
    server.put(f"{LEASES}/rollout-job-1", {"metadata": {"annotations": {labels.LEDGER: letters}}})
    file = folder / "rollout.json"
    file.write_text(Rollout(phases=(Phase(("n1", "n2")), Phase(("n3",))), **fields).text())
    return file


@pytest.mark.parametrize("letters", ["fs.", "ws."])
def test_a_job_ends_where_more_failed_than_may(
    server: ApiServer, cluster: Cluster, tmp_path: Path, letters: str
) -> None:
    """A node that is still at work by the ledger had a pod that was lost."""
    file = a_job(server, tmp_path, letters)
    assert settle.settle(cluster, "job-1", file) == "1 node failed, and 0 may"


def test_a_job_goes_on_where_no_more_failed_than_may(server: ApiServer, cluster: Cluster, tmp_path: Path) -> None:
    assert not settle.settle(cluster, "job-1", a_job(server, tmp_path, "fs.", failure_limit=1))


def test_a_job_waits_until_a_person_tolerates_the_failures(
    server: ApiServer, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_job(server, tmp_path, "fs.", on_failure="pause")
    waited = []

    def a_person_resumes(seconds: float) -> None:
        waited.append(seconds)
        server.put(JOB, {"metadata": {"uid": "uid-1", "annotations": {labels.TOLERATED: "1"}}})

    monkeypatch.setattr("workflow_templates.settle.time.sleep", a_person_resumes)
    assert not settle.settle(cluster, "job-1", file)
    assert waited


def test_a_job_without_a_rollout_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    assert not settle.settle(cluster, "job-1", tmp_path / "rollout.json")

"""A node begins when it is noted in the job's ledger, and not before."""

from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import LEASES, WORKFLOWS, ApiServer
from workflow_templates import job_ledger
from workflow_templates.job_ledger import JobLedger
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol import labels
from workflow_templates.protocol.ledger import State
from workflow_templates.protocol.may_begin import Hold
from workflow_templates.protocol.rollout import Phase, Rollout

JOB = f"{WORKFLOWS}/job-1"
LEASE = f"{LEASES}/rollout-job-1"
NODES = ("n1", "n2", "n3", "n4")


class Cast:
    """A job of four nodes, and what its steps see."""

    def __init__(self, server: ApiServer, cluster: Cluster) -> None:
        self.server, self.cluster = server, cluster
        self.ended: set[str] = set()
        self.failed: set[str] = set()
        server.put(JOB, {"metadata": {"uid": "uid-of-the-job", "annotations": {}}})
        for name in NODES:
            self.node(name)

    def node(self, name: str, *, ready: bool = True, cordoned: bool = False, by: str = "") -> None:
        marks = {labels.CORDONED_BY: by, labels.CORDONED_BEFORE: "false"} if by else {}
        conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
        item: Any = {"metadata": {"annotations": marks}, "spec": {"unschedulable": cordoned}}
        self.server.put(f"/api/v1/nodes/{name}", {**item, "status": {"conditions": conditions}})

    def says(self, **annotations: str) -> None:
        marks = {getattr(labels, key): value for key, value in annotations.items()}
        self.server.put(JOB, {"metadata": {"uid": "uid-of-the-job", "annotations": marks}})

    def ledger(self, **fields: Any) -> JobLedger:
        rollout = Rollout(phases=(Phase(NODES),), **fields)
        return JobLedger(self.cluster, "job-1", rollout, lambda: (self.ended, self.failed))

    def another_writes(self, letters: str) -> None:
        self.server.put(LEASE, {"metadata": {"annotations": {labels.LEDGER: letters}}})

    @property
    def letters(self) -> str:
        return str(self.server.objects[LEASE]["metadata"]["annotations"][labels.LEDGER])


@pytest.fixture
def cast(server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cast:
    monkeypatch.setattr(job_ledger, "_CONFLICT_SECONDS", 0)
    monkeypatch.setattr(job_ledger, "_LOOK_SECONDS", 0)
    return Cast(server, cluster)


def why(ledger: JobLedger, node: str) -> Hold | None:
    held = ledger.try_to_begin(node)
    return held.why if held else None


def test_the_ledger_is_the_jobs_own_and_goes_with_its_workflow(cast: Cast) -> None:
    cast.ledger().begin("n2")
    lease = cast.server.objects[LEASE]
    assert cast.letters == ".w.."
    assert lease["spec"]["holderIdentity"] == lease["metadata"]["labels"][labels.JOB_ID] == "job-1"
    assert [owner["uid"] for owner in lease["metadata"]["ownerReferences"]] == ["uid-of-the-job"]


def test_of_two_steps_that_want_the_last_place_one_gets_it(cast: Cast) -> None:
    ledger = cast.ledger(at_once=2)
    ledger.begin("n1")
    cast.server.before_write = lambda: cast.another_writes("ww..")
    assert why(ledger, "n3") is Hold.NO_PLACE
    assert cast.letters == "ww.."


def test_of_two_steps_that_make_the_ledger_one_does(cast: Cast) -> None:
    cast.server.before_write = lambda: cast.another_writes("w...")
    assert why(cast.ledger(), "n2") is Hold.NO_PLACE
    assert cast.letters == "w..."


def test_a_node_that_was_begun_goes_on_in_another_pod(cast: Cast) -> None:
    cast.ledger().begin("n1")
    cast.says(PAUSED="anna")
    assert why(cast.ledger(), "n1") is None


def test_a_place_is_free_when_its_node_ended_or_its_pod_is_gone(cast: Cast) -> None:
    ledger = cast.ledger(failure_limit=1)
    ledger.begin("n1")
    ledger.note("n1", State.SUCCEEDED)
    ledger.begin("n2")
    assert why(ledger, "n3") is Hold.NO_PLACE
    cast.ended, cast.failed = {"n2"}, {"n2"}
    assert why(ledger, "n3") is None
    assert cast.letters == "sww."


def test_what_is_out_of_service_counts_where_the_job_says_how_many_may(cast: Cast) -> None:
    cast.node("n3", ready=False)
    cast.node("n4", cordoned=True)
    ledger = cast.ledger(at_once=4, max_unavailable=2)
    assert why(ledger, "n1") is Hold.OUT_OF_SERVICE
    assert why(ledger, "n3") is None, "it is out of service already"
    assert why(cast.ledger(at_once=4), "n1") is None


def test_a_cordon_of_the_job_itself_is_no_outage(cast: Cast) -> None:
    cast.node("n2", cordoned=True, by="job-1")
    cast.node("n3", cordoned=True, by="job-2")
    ledger = cast.ledger(at_once=4, max_unavailable=1)
    assert why(ledger, "n1") is Hold.OUT_OF_SERVICE
    cast.node("n3")
    assert why(ledger, "n1") is None


def test_a_paused_job_begins_nothing_until_it_is_resumed(cast: Cast) -> None:
    cast.says(PAUSED="anna: the driver looks bad")
    held = cast.ledger().try_to_begin("n1")
    assert held
    assert held.sentence == "the job is paused by anna: the driver looks bad"
    cast.says()
    assert why(cast.ledger(), "n1") is None


def test_after_too_many_failures_no_node_is_begun(cast: Cast) -> None:
    ledger = cast.ledger(failure_limit=0)
    ledger.begin("n1")
    ledger.note("n1", State.FAILED)
    with pytest.raises(job_ledger.NeverError, match="1 node failed, and 0 may"):
        ledger.begin("n2")
    assert cast.letters == "fk.."


def test_a_job_that_pauses_by_itself_goes_on_when_its_failures_are_tolerated(cast: Cast) -> None:
    ledger = cast.ledger(failure_limit=0, on_failure="pause")
    ledger.begin("n1")
    ledger.note("n1", State.FAILED)
    assert why(ledger, "n2") is Hold.PAUSED_BY_FAILURES
    cast.says(TOLERATED="1")
    assert why(ledger, "n2") is None

"""A cordon is marked with the job it is for, and goes back to what was there before (design rule 5): merge patches."""

import json
from dataclasses import dataclass
from datetime import datetime

from workflow_templates.protocol import labels, node_state
from workflow_templates.protocol.node_state import Object


@dataclass(frozen=True, slots=True)
class CordonNote:
    """How a node was before its job cordoned it, kept at the node lock: a node that registers anew has no marks."""

    #: Of the Node object.
    uid: str
    #: When it was noted, by the clock of the Kubernetes API.
    at: datetime
    #: Whether it was cordoned.
    before: bool
    #: Why another job had left it cordoned on purpose; empty: none had.
    left: str = ""

    def text(self) -> str:
        return json.dumps({"uid": self.uid, "at": self.at.isoformat(), "before": self.before, "left": self.left})


def note_of(node: Object, at: datetime) -> CordonNote:
    """The note of a node that is cordoned for its job by now."""
    marks = node_state.annotations(node)
    before = marks.get(labels.CORDONED_BEFORE) == "true"
    return CordonNote(node["metadata"].get("uid", ""), at, before, marks.get(labels.LEFT_CORDONED, ""))


def noted(lock: Object) -> CordonNote | None:
    """What is noted at a node lock; None: its job has not cordoned the node, or did not note it."""
    text = node_state.annotations(lock).get(labels.CORDON_NOTE)
    if not text:
        return None
    found = json.loads(text)
    return CordonNote(found["uid"], datetime.fromisoformat(found["at"]), found["before"], found["left"])


def cordoning(node: Object, job: str) -> Object | None:
    """Cordon a node for this job; None: it is done already.

    A mark that an ended job left behind says more about the node than spec.unschedulable, which that job had set.
    """
    marks, unschedulable = node_state.annotations(node), node_state.is_cordoned(node)
    if marks.get(labels.CORDONED_BY) == job and unschedulable:
        return None
    before = marks.get(labels.CORDONED_BEFORE) == "true" if labels.CORDONED_BY in marks else unschedulable
    changed: Object = {labels.CORDONED_BY: job, labels.CORDONED_BEFORE: "true" if before else "false"}
    if labels.LEFT_CORDONED in marks and not unschedulable:
        changed[labels.LEFT_CORDONED] = None  # a person has uncordoned it since
    return {"metadata": {"annotations": changed}, "spec": {"unschedulable": True}}


def giving_back(node: Object, job: str, note: CordonNote | None = None) -> Object | None:
    """Put a node back to how it was before this job; None: there is nothing to put back.

    A Node object that is another than the noted one has lost all marks, and with them the cordon of before. It is
    cordoned anew in the name of this job: admission lets no step cordon a node without its job's name.
    """
    marks = node_state.annotations(node)
    if marks.get(labels.CORDONED_BY) == job:
        return {
            "metadata": {"annotations": {labels.CORDONED_BY: None, labels.CORDONED_BEFORE: None}},
            # null, not false: the field goes, and the node reads as if no job had been there
            "spec": {"unschedulable": True if marks.get(labels.CORDONED_BEFORE) == "true" else None},
        }
    is_another = note is not None and note.uid != node["metadata"].get("uid", "")
    if note is None or not is_another or not note.before or node_state.is_cordoned(node):
        return None
    left = {labels.LEFT_CORDONED: f"job {job}: {note.left or 'it was cordoned before the job'}"}
    return {"metadata": {"annotations": left}, "spec": {"unschedulable": True}}


def leaving(node: Object, job: str, why: str) -> Object | None:
    """Leave a node cordoned when its job ends; None: it is not cordoned for this job.

    Without our marks it is put back by nothing: neither the job's clean-up, nor the service, nor a later job.
    """
    if node_state.annotations(node).get(labels.CORDONED_BY) != job:
        return None
    changed = {labels.CORDONED_BY: None, labels.CORDONED_BEFORE: None, labels.LEFT_CORDONED: f"job {job}: {why}"}
    return {"metadata": {"annotations": changed}, "spec": {"unschedulable": True}}

"""Which logs a pod has: of every container, as it is now and as it was before its last restart."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from workflow_templates.kubernetes_api import Object

_KINDS = (
    ("init", "initContainers", "initContainerStatuses"),
    ("container", "containers", "containerStatuses"),
    ("ephemeral", "ephemeralContainers", "ephemeralContainerStatuses"),
)
#: A log that begins so much later than its container may have lost its beginning, or had nothing to say.
_LATE = timedelta(minutes=5)


@dataclass(slots=True, kw_only=True)
class Log:
    """One log and what the index says of it. `error`: why it, or its end, could not be read."""

    namespace: str
    pod: str
    uid: str = ""
    node: str
    phase: str
    container: str
    kind: str
    previous: bool = False
    restart_count: int = 0
    exit_code: int | None = None
    reason: str = ""
    #: Why the whole pod ended, where its node or the scheduler ended it: evicted, rejected, preempted.
    pod_reason: str = ""
    #: When this instance of the container was started.
    started: str = ""
    has_ended: bool = False
    file: str = ""
    #: Where the log goes on, if it is too long for one file.
    further: list[str] = field(default_factory=list)
    bytes: int = 0
    first_time: str = ""
    last_time: str = ""
    error: str = ""

    @property
    def name(self) -> str:
        """Its place in the archive."""
        return f"{self.pod}/{self.container}{'.previous' if self.previous else ''}.log"

    def name_of(self, part: int) -> str:
        """The place of one of the files it goes into, counted from 1."""
        return self.name if part == 1 else f"{self.name}.{part}"

    @property
    def remark(self) -> str:
        """What is no error, but worth a doubt."""
        if not self.started or not self.first_time:
            return ""
        late = datetime.fromisoformat(self.first_time) - datetime.fromisoformat(self.started)
        return "begins long after its container: the beginning may have been rotated away" if late > _LATE else ""

    @property
    def whose(self) -> str:
        """For a sentence."""
        return f"{'previous log of ' if self.previous else ''}container {self.container} of pod {self.pod}"

    @property
    def why(self) -> str:
        """The error for a sentence, with what ended the whole pod."""
        beyond = self.pod_reason and self.pod_reason not in self.error
        return f"{self.error} (its pod was ended: {self.pod_reason})" if beyond else self.error

    def entry(self) -> Object:
        """Its line of the index."""
        return {
            "file": self.file,
            "furtherFiles": self.further,
            "namespace": self.namespace,
            "pod": self.pod,
            "uid": self.uid,
            "node": self.node,
            "phase": self.phase,
            "container": self.container,
            "kind": self.kind,
            "previous": self.previous,
            "restartCount": self.restart_count,
            "exitCode": self.exit_code,
            "reason": self.reason,
            "podReason": self.pod_reason,
            "startedAt": self.started,
            "bytes": self.bytes,
            "firstTime": self.first_time,
            "lastTime": self.last_time,
            "error": self.error,
            "remark": self.remark,
        }


def of_pod(pod: Object) -> Iterator[Log]:
    """Every log the pod has or should have; one that cannot exist yet comes with its error."""
    spec, status = pod["spec"], pod.get("status") or {}
    for kind, containers, statuses in _KINDS:
        states = {state["name"]: state for state in status.get(statuses) or ()}
        for container in spec.get(containers) or ():
            sidecar = kind == "init" and container.get("restartPolicy") == "Always"
            yield from _of_container(pod, "sidecar" if sidecar else kind, states.get(container["name"]), container)


def _of_container(pod: Object, kind: str, status: Object | None, container: Object) -> Iterator[Log]:
    def log(state: Object, *, previous: bool = False, error: str = "") -> Log:
        return Log(
            namespace=pod["metadata"]["namespace"],
            pod=pod["metadata"]["name"],
            uid=pod["metadata"].get("uid") or "",
            node=pod["spec"].get("nodeName") or "",
            phase=(pod.get("status") or {}).get("phase") or "",
            container=container["name"],
            kind=kind,
            previous=previous,
            restart_count=(status or {}).get("restartCount") or 0,
            exit_code=state.get("exitCode"),
            reason=state.get("reason") or "",
            pod_reason=why_pod_ended(pod),
            started=state.get("startedAt") or "",
            has_ended="exitCode" in state,
            error=error,
        )

    state, last = (status or {}).get("state") or {}, (status or {}).get("lastState") or {}
    before = last.get("terminated") or {}
    if before.get("containerID"):
        yield log(before, previous=True)
    if "running" in state or "terminated" in state:
        yield log(state.get("terminated") or state.get("running") or {})
    elif not before.get("containerID"):
        ended = why_pod_ended(pod)
        yield log({}, error=f"never ran: its pod was ended: {ended}" if ended else f"has not started{_why(pod, state)}")


def why_pod_ended(pod: Object) -> str:
    """In its node's or the scheduler's own words; empty where its containers ended by themselves, or have not."""
    status = pod.get("status") or {}
    if status.get("phase") != "Failed":
        return ""
    disrupted = [found for found in status.get("conditions") or () if found["type"] == "DisruptionTarget"]
    cause = status if status.get("reason") or status.get("message") else disrupted[0] if disrupted else {}
    return ": ".join(part for part in (cause.get("reason"), cause.get("message")) if part)


def _why(pod: Object, state: Object) -> str:
    waiting = state.get("waiting") or {}
    conditions = (pod.get("status") or {}).get("conditions") or ()
    unscheduled = [c for c in conditions if c["type"] == "PodScheduled" and c["status"] == "False"]
    found = unscheduled[0] if unscheduled else waiting
    why = ": ".join(part for part in (found.get("reason"), found.get("message")) if part)
    return f": {why}" if why else ""

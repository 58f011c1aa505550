"""How long to try again to read a log: as long as it may help, and not anew for each of many logs."""

import re
import threading
import time
from dataclasses import dataclass, field

from workflow_templates.kubernetes_api import ClusterError

#: How the apiserver says that it did not reach a kubelet: with what it asked it for, or that it knows no address.
_NOT_REACHED = re.compile(r"/containerLogs/|no preferred addresses found")
#: Seconds; a kubelet that is restarted is back within them.
_NODE_SECONDS = 15.0
_PAUSE_SECONDS = 1.0
#: Of the first.
_LONGEST_PAUSE = 10
_TRIES = 5
#: A container's log may be gone for good, and of such containers there may be many.
_QUESTIONS = 3


class SilentNodeError(ClusterError):
    """The apiserver passed the question on, and nobody answered it."""


class BrokenOffError(ClusterError):
    """An answer ended before the log did."""


class NoLogError(ClusterError):
    """The kubelet told why there is no log, or no more of it."""


@dataclass
class Patience:
    """What all logs of a job have in common."""

    #: For an apiserver that is away, as for its other calls.
    seconds: float
    node_seconds: float = _NODE_SECONDS
    pause: float = _PAUSE_SECONDS
    stopping: threading.Event = field(default_factory=threading.Event)
    #: Node → why it is not asked any more.
    down: dict[str, str] = field(default_factory=dict)
    #: One log had all of it for nothing; the others then only try a few times.
    is_used_up: bool = False


class Trouble:
    """What went wrong with the logs of one container, or one step, on a node."""

    def __init__(self, patience: Patience, node: str) -> None:
        self._patience = patience
        self._node = node
        self._since = 0.0
        self._tries = 0
        self._breaks = 0

    def is_over(self) -> None:
        """More was read than before: what comes now is another trouble."""
        self._tries = 0

    def again(self, fault: ClusterError) -> str:
        """Waits until it is time to try again; or answers why there is no sense in that."""
        self._since = self._since if self._tries else time.monotonic()
        self._tries += 1
        if why := self._given_up(fault):
            return why
        wait = self._patience.pause * min(2 ** (self._tries - 1), _LONGEST_PAUSE)
        return "stopped" if self._patience.stopping.wait(wait) else self._patience.down.get(self._node, "")

    def _given_up(self, fault: ClusterError) -> str:
        spent = time.monotonic() - self._since
        if isinstance(fault, BrokenOffError | NoLogError):
            self._breaks += 1
            return str(fault) if self._breaks >= (_TRIES if isinstance(fault, BrokenOffError) else _QUESTIONS) else ""
        if isinstance(fault, SilentNodeError) or _NOT_REACHED.search(str(fault)):
            if spent < self._patience.node_seconds:
                return ""
            self._patience.down[self._node] = f"node {self._node} did not answer: {fault}"
            return self._patience.down[self._node]
        if spent < self._patience.seconds and not (self._patience.is_used_up and self._tries >= _TRIES):
            return ""
        self._patience.is_used_up = True
        return f"the Kubernetes API did not answer: {fault}"

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
    """The apiserver passed the request on to a kubelet, and got no response."""


class BrokenOffError(ClusterError):
    """A response ended before the log did."""


class NoLogError(ClusterError):
    """The kubelet's own sentence on why there is no log, or no more of it."""


@dataclass
class RetryBudget:
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


class ReadFailures:
    """What went wrong with the logs of one container, or one step, on a node."""

    def __init__(self, budget: RetryBudget, node: str) -> None:
        self._budget = budget
        self._node = node
        self._since = 0.0
        self._tries = 0
        self._breaks = 0

    def reset(self) -> None:
        """More was read than before: what fails now is another matter."""
        self._tries = 0

    def wait_or_give_up(self, fault: ClusterError) -> str:
        """Waits until it is time to try again; or returns why there is no sense in that."""
        self._since = self._since if self._tries else time.monotonic()
        self._tries += 1
        if why := self._given_up(fault):
            return why
        wait = self._budget.pause * min(2 ** (self._tries - 1), _LONGEST_PAUSE)
        return "stopped" if self._budget.stopping.wait(wait) else self._budget.down.get(self._node, "")

    def _given_up(self, fault: ClusterError) -> str:
        spent = time.monotonic() - self._since
        if isinstance(fault, BrokenOffError | NoLogError):
            self._breaks += 1
            return str(fault) if self._breaks >= (_TRIES if isinstance(fault, BrokenOffError) else _QUESTIONS) else ""
        if isinstance(fault, SilentNodeError) or _NOT_REACHED.search(str(fault)):
            if spent < self._budget.node_seconds:
                return ""
            self._budget.down[self._node] = f"node {self._node} did not answer: {fault}"
            return self._budget.down[self._node]
        if spent < self._budget.seconds and not (self._budget.is_used_up and self._tries >= _TRIES):
            return ""
        self._budget.is_used_up = True
        return f"the Kubernetes API did not answer: {fault}"

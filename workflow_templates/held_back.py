"""Wait in the step's pod while a sentence says that nothing may begin: the job is paused, the cluster frozen."""

import time
from collections.abc import Callable

from workflow_templates import sigterm, step_output

#: Between two looks; the longer it lasts the more, up to that many.
FIRST_SECONDS = 2.0
_MOST_SECONDS = 10.0


class EndedError(Exception):
    """The step was stopped while it was held back, before it touched anything; the message says by whom, and why."""


def wait_while(sentence: Callable[[], str], what: str) -> None:
    """Return once there is no such sentence, which is at once as a rule. `what` waits, as the log says it.

    Raises:
        EndedError: the step was stopped meanwhile, where it hears that (sigterm.raising).
    """
    said, seconds = "", FIRST_SECONDS
    try:
        while now := sentence():
            if now != said:
                step_output.log(f"{what} waits: {now}")
            said = now
            time.sleep(seconds)
            seconds = min(seconds * 1.5, _MOST_SECONDS)
    except sigterm.StoppedError as stopped:
        if not said:
            raise
        raise EndedError(said) from stopped

"""A service that is away for a while: said once, waited for, and given up when a person should look why."""

import time

from opsjobs_cli.complaints import UnreachableError
from opsjobs_cli.printing import note

#: Seconds without an answer, after which a person should look why; the job goes on.
PATIENCE = 600.0


class Outage:
    """`patience` in seconds; `ending` is what a person is told to do after that."""

    def __init__(self, patience: float, ending: str = "") -> None:
        self._patience = patience
        self._ending = ending
        self._since = 0.0

    def failed(self, error: UnreachableError) -> None:
        """One more try has failed.

        Raises:
            UnreachableError: the service was away for too long.
        """
        now = time.monotonic()
        if not self._since:
            self._since = now
            note(f"{error}; trying again …")
        elif now - self._since > self._patience:
            raise UnreachableError(f"{error}, for {self._patience:g} s. {self._ending}".rstrip())

    def over(self) -> None:
        """It answers."""
        if self._since:
            note("the service answers again")
        self._since = 0.0

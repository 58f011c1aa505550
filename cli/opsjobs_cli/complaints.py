"""What ends a command early: each with a message for a person, and its exit status."""

from opsjobs_cli.exit_status import ExitCode


class Complaint(Exception):  # noqa: N818  # not every one of them is an error: a person may have pressed Ctrl-C
    """The command ends here. The message says what was wrong, where, and what to do."""

    exit_code = ExitCode.FAILED


class UsageError(Complaint):
    """What was asked for cannot be done as it was asked."""

    exit_code = ExitCode.USAGE


class RefusedError(Complaint):
    """The service understood the request and does not do it. `status` is HTTP's, `code` the problem's errorCode."""

    exit_code = ExitCode.REFUSED

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class UnreachableError(Complaint):
    """The service does not answer (`status` 0), or not as it should, after all tries."""

    exit_code = ExitCode.UNREACHABLE

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class WaitedTooLongError(Complaint):
    exit_code = ExitCode.WAITED_TOO_LONG


class InterruptedByPersonError(Complaint):
    exit_code = ExitCode.INTERRUPTED

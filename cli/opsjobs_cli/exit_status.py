"""What the exit status of a command means (docs/cli.md)."""

from enum import IntEnum


class ExitCode(IntEnum):
    SUCCEEDED = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    WAITED_TOO_LONG = 124
    INTERRUPTED = 130


#: Below the help of every command.
HELP = (
    "Exit status: 0 done, or the job succeeded; 1 the job failed; 2 wrong usage; 3 refused by the service; "
    "4 the service is not reachable; 124 waited too long, the job goes on; 130 interrupted, the job goes on."
)

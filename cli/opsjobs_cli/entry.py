"""Where `opsjobs` begins and ends: every way it can end has an exit status and a sentence."""

import os
import signal
import sys
from typing import NoReturn

from opsjobs_cli.complaints import Complaint
from opsjobs_cli.exit_status import ExitCode
from opsjobs_cli.printing import note


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot say a letter gets it written out; the command does not end for that.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    for name in ("SIGTERM", "SIGHUP"):
        # As Ctrl-C does: what was begun (kubectl, a file) is ended before the command ends.
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _end)
    sys.exit(run())


def run() -> int:
    """The command; returns its exit status where it does not exit by itself."""
    from opsjobs_cli.command_tree import first_word, tree

    program = os.path.basename(sys.argv[0])  # noqa: PTH119  # a name, not a path
    # kubectl calls its plugin by another name than people do.
    name = "kubectl opsjobs" if program.startswith("kubectl-") else "opsjobs"
    try:
        tree(first_word(sys.argv[1:], dict(os.environ)))(prog_name=name, standalone_mode=True)
    except Complaint as complaint:
        note(f"opsjobs: {complaint}")
        return int(complaint.exit_code)
    return int(ExitCode.SUCCEEDED)


def _end(number: int, _frame: object) -> NoReturn:
    # As a shell says of a program that a signal ended.
    sys.exit(128 + number)

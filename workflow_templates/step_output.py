"""What a step writes: lines to the pod's log, and a termination message that says in one sentence how it ended."""

import os
import sys
from pathlib import Path

#: The kubelet takes at most 4096 bytes of it; a sentence needs fewer.
_SENTENCE_BYTES = 2000
_TERMINATION_LOG = Path("/dev/termination-log")


def log(sentence: str) -> None:
    sys.stdout.write(f"opsjob: {sentence}\n")
    sys.stdout.flush()


def write_termination_message(sentence: str) -> None:
    """The termination message: Argo shows it at the step, GET at the node."""
    log(sentence)
    write_interim_message(sentence)


def write_interim_message(sentence: str) -> None:
    """A termination message in advance: it stays where the step is killed before it writes its last one."""
    target = Path(os.environ.get("OPSJOB_TERMINATION_LOG", _TERMINATION_LOG))
    target.write_bytes(cut(sentence, _SENTENCE_BYTES).encode())


def cut(text: str, size: int) -> str:
    """The beginning of a text that fits into so many bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore")

"""Hearing that the job was stopped, in the middle of work, with time left to clean up."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: What a step that was stopped ends with: 128 + SIGTERM, as a shell would say it.
EXIT_STOPPED = 143


class StoppedError(BaseException):
    """SIGTERM came: the job was stopped, ran out of time, or its pod is being removed.

    Like KeyboardInterrupt it is no Exception, so that nothing on the way takes it for a fault of its own.
    """


@contextmanager
def raising() -> Iterator[None]:
    """The first SIGTERM inside raises StoppedError; later ones, and those after it, must not break the clean-up."""
    signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        ignore()


def ignore() -> None:
    """From here on the step ends by itself, and soon."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _raise(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module calls it so
    ignore()
    raise StoppedError

"""What schemathesis sends: some of its orders can run, and all of those are the same few jobs."""

import json
import os
import zlib
from typing import Any

import schemathesis

#: Orders that the service accepts, each with the Idempotency-Key under which it is one job however often it is sent.
ACCEPTED: list[dict[str, Any]] = json.loads(os.environ["FUZZ_ACCEPTED"])
#: One generated order of so many is replaced by an accepted one.
_EVERY = 4


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    if case.path.endswith("/log"):
        # Whoever follows a job waits for its end.
        case.query = {name: value for name, value in (case.query or {}).items() if name != "follow"}
    if case.method != "POST" or not case.path.endswith("/opsjobs") or not _is_generated_well(case):
        return
    # Not hash(): that differs from one process to the next, and a failure could not be tried again.
    number = zlib.crc32(str(case.id).encode())
    if number % _EVERY == 0:
        chosen = ACCEPTED[number % len(ACCEPTED)]
        case.body = chosen["body"]
        case.query = {}
        case.headers = {**(case.headers or {}), "Idempotency-Key": chosen["key"]}
    else:
        # Whatever else might be accepted by chance is not to run.
        case.query = {**(case.query or {}), "dryRun": "true"}


def _is_generated_well(case: Any) -> bool:
    """Whether the case is a valid one: those that are meant to be refused stay as they are."""
    return case.meta is not None and case.meta.generation.mode.is_positive

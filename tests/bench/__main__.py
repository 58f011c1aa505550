"""`make bench`, or `python -m tests.bench --only list --records 1000000`: what the promises of speed are worth here."""

import argparse
import signal
import sys
from collections.abc import Callable

from tests.bench import bare, command_line, flood, follow, listing, live, scale
from tests.bench.figures import FILE

STORES = ("sqlite", "postgresql")
TYPES = ("addon", "preflight", "reboot")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--only",
        choices=[listing.PART, bare.PART, live.PART, scale.PART, flood.PART, command_line.PART, follow.PART],
        help="one part",
    )
    parser.add_argument("--records", type=int, default=listing.Size.records, help="list: records in each store")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES, help="list: which stores")
    parser.add_argument("--requests", type=int, default=listing.Size.requests, help="list: requests of each case")
    parser.add_argument("--block-requests", type=int, default=bare.Rounds.requests, help="bare: requests of a round")
    parser.add_argument("--cases", default="", help="list: only the cases whose names hold this")
    parser.add_argument("--no-argo", action="store_true", help="list: without argo-server beside it")
    parser.add_argument("--jobs", type=int, default=live.Size.jobs, help="live: jobs at work at the same time")
    parser.add_argument("--nodes", type=int, default=0, help="scale: fake nodes")
    parser.add_argument("--batch", type=int, default=0, help="scale: how many of them are in work at a time")
    parser.add_argument("--seconds", type=float, nargs="+", default=(), help="scale: how long a step takes")
    parser.add_argument("--types", nargs="+", choices=TYPES, default=TYPES, help="scale: which job types")
    parser.add_argument("--callers", type=int, default=flood.Size.callers, help="flood: callers that send bodies")
    parser.add_argument("--flood-seconds", type=float, default=flood.Size.seconds, help="flood: how long they do")
    given = parser.parse_args()
    # Whatever ends it, what it made is taken away.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    parts: dict[str, Callable[[], None]] = {
        listing.PART: lambda: listing.run(
            listing.Size(given.records, given.requests, cases=given.cases),
            given.stores,
            with_argo=not given.no_argo,
        ),
        bare.PART: lambda: bare.run(listing.Size(given.records), bare.Rounds(given.block_requests), given.stores),
        live.PART: lambda: live.run(live.Size(given.jobs)),
        command_line.PART: command_line.run,
        flood.PART: lambda: flood.run(flood.Size(given.callers, given.flood_seconds)),
        follow.PART: lambda: follow.run(follow.Size()),
        scale.PART: lambda: scale.run(
            [
                size
                for job_type in given.types
                for size in scale.sizes(job_type, given.nodes, given.batch, given.seconds)
            ]
        ),
    }
    for name, run in parts.items():
        if given.only in (None, name):
            run()
    print(f"written to {FILE.relative_to(FILE.parents[1])}")


if __name__ == "__main__":
    main()

"""`make bench`, or `python -m tests.bench --only list --records 1000000`: what the promises of speed are worth here."""

import argparse
from collections.abc import Callable

from tests.bench import listing
from tests.bench.figures import FILE

STORES = ("sqlite", "postgresql")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=[listing.PART], help="one part")
    parser.add_argument("--records", type=int, default=listing.Size.records, help="list: records in each store")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES, help="list: which stores")
    parser.add_argument("--requests", type=int, default=listing.Size.requests, help="list: requests of each case")
    parser.add_argument("--no-argo", action="store_true", help="list: without argo-server beside it")
    given = parser.parse_args()
    parts: dict[str, Callable[[], None]] = {
        listing.PART: lambda: listing.run(
            listing.Size(given.records, given.requests), given.stores, with_argo=not given.no_argo
        )
    }
    for name, run in parts.items():
        if given.only in (None, name):
            run()
    print(f"written to {FILE.relative_to(FILE.parents[1])}")


if __name__ == "__main__":
    main()

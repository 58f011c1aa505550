"""Fetch the report's picture, and make a page of it for Argo to keep as an artifact of this step: so its UI shows it.

A step of its own, so that a store that Argo cannot write to, where we can, costs no report.
"""

import argparse
import sys
from pathlib import Path

from workflow_templates import step_output
from workflow_templates.object_store import Store, StoreError

#: No text of others is in it but what the picture holds, as XML's text.
_PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Checks of %b</title>
%b
</html>
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        store = Store.in_pod()
        picture = store.request("GET", store.location.url(f"preflight/{arguments.job}/matrix.svg")).content
    except StoreError as fault:
        step_output.write_termination_message(f"there is no picture to show: {fault}")
        return 1
    arguments.output.write_bytes(_PAGE % (arguments.job.encode(), picture))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Write docs/openapi.json from the routes: `python -m service.openapi_file`; with --check only see whether it is so.

What is committed is what a client is generated from, and what a change to the API is compared with.
"""

import contextlib
import json
import sys
from pathlib import Path

from service.api import app as http
from service.api.openapi import document

FILE = Path(__file__).parents[1] / "docs" / "openapi.json"


def text() -> str:
    app = http.build(lambda _: contextlib.nullcontext())
    return json.dumps(document(app), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    if "--check" not in sys.argv[1:]:
        FILE.write_text(text())
    elif not FILE.exists() or FILE.read_text() != text():
        sys.exit("docs/openapi.json is not what the routes say: run make render, and commit what it writes")


if __name__ == "__main__":
    main()

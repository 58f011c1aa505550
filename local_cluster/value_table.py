"""Write the chart's values into its README: `python -m local_cluster.value_table`; with --check only look.

Names, types and what they are for come from values.schema.json, defaults from values.yaml, where each is explained.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[1] / "charts" / "opsjobs"
README = CHART / "README.md"
#: What the table stands behind, to the end of the file.
HEADING = "\n## Values\n"

_INTRODUCTION = """
As [values.yaml](values.yaml) explains them at length; anything else is refused.

| value | type | default | what it is |
| --- | --- | --- | --- |
"""


def rows() -> Iterator[str]:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for path, described, default in _leaves(schema, values, ""):
        cells = (f"`{path}`", _type(described), f"`{json.dumps(default)}`", described["description"])
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _leaves(schema: dict[str, Any], values: dict[str, Any], above: str) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """In the order of values.yaml."""
    for name, value in values.items():
        described = schema["properties"][name]
        if "properties" in described:
            yield from _leaves(described, value, f"{above}{name}.")
        else:
            yield f"{above}{name}", described, value


def _type(described: dict[str, Any]) -> str:
    known = described.get("type", "any")
    return " or ".join(known) if isinstance(known, list) else str(known)


def text() -> str:
    """The README as it should be."""
    before = README.read_text().partition(HEADING)[0].rstrip("\n")
    return f"{before}\n{HEADING}{_INTRODUCTION}" + "\n".join(rows()) + "\n"


def main() -> None:
    if "--check" not in sys.argv[1:]:
        README.write_text(text())
    elif README.read_text() != text():
        sys.exit("charts/opsjobs/README.md lacks what the values are: run make render, and commit what it writes")


if __name__ == "__main__":
    main()

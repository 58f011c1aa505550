"""docs/adding-a-job-type.md lists every file that has to know of a new job type: no more than eight."""

import re
from pathlib import Path

from service.domain.job import JobType

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "adding-a-job-type.md").read_text(encoding="utf-8")
LISTED = re.findall(r"^\d+\. `([^`]+)`", PAGE, re.MULTILINE)
#: The page's last part names these: a type may need a line there, and may not.
WHERE_IT_NEEDS_MORE = {
    "charts/opsjobs/values.schema.json",
    "charts/opsjobs/values.yaml",
    "service/api/examples.py",
    "service/settings.py",
}
PRODUCT = ("charts/opsjobs/templates", "cli", "service", "workflow_templates")
FILES = [path for folder in PRODUCT for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".tpl", ".yaml"}]


def names_every_type(path: Path) -> bool:
    text = path.read_text(encoding="utf-8").lower()
    return all(job_type.value in text for job_type in JobType)


def test_they_are_few_and_each_names_every_type() -> None:
    assert len(LISTED) <= 8
    assert [path for path in LISTED if not names_every_type(ROOT / path)] == []


def test_no_other_file_names_every_type() -> None:
    found = {str(path.relative_to(ROOT)) for path in FILES if names_every_type(path)}
    assert found - set(LISTED) - WHERE_IT_NEEDS_MORE == set()


def test_the_files_that_it_names_are_there() -> None:
    paths = re.findall(r"`((?:service|workflow_templates|charts|cli|tests)/[\w/.-]+\.(?:py|yaml|json|tpl))`", PAGE)
    assert [path for path in paths if "firmware" not in path and not (ROOT / path).exists()] == []

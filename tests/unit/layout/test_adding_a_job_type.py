"""docs/adding-a-job-type.md lists every file that has to know of a new job type: no more than eight."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from service.domain.job import JobType
from service.domain.job_types.registry import traits_of
from service.domain.job_types.traits import Traits

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


#: These have something for each type, or, as the templates of addons, are about one.
MAY_NAME_A_TYPE = {"service/api/request_bodies.py", "service/api/template_list.py", "service/main.py"}


def naming_a_type(path: Path) -> Iterator[int]:
    """Lines on which a member of JobType stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "JobType":
            yield node.lineno


def test_the_service_asks_the_registry_and_not_which_type_a_job_is() -> None:
    modules = {str(path.relative_to(ROOT)): path for path in (ROOT / "service").rglob("*.py")}
    found = {name for name, path in modules.items() if any(naming_a_type(path))}
    assert found == MAY_NAME_A_TYPE


def test_each_type_has_traits_of_its_own() -> None:
    kinds = {type(traits_of(job_type)) for job_type in JobType}
    assert len(kinds) == len(JobType)
    assert all(issubclass(kind, Traits) for kind in kinds)

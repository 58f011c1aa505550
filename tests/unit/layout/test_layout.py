"""The rooms of the product, as docs/ and CONTRIBUTING.md promise them to a reader."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODULES = sorted(path for room in ("service", "workflow_templates", "cli") for path in (ROOT / room).rglob("*.py"))
PRODUCT = [*MODULES, *sorted((ROOT / "local_cluster").rglob("*.py"))]
STEPS_AND_SERVICE = [path for path in MODULES if "protocol" not in path.parts]
#: A key of ours or of Argo's with its prefix; not the group of our rights and resources, nor an apiVersion.
KEY = re.compile(r"(?<![\w.])(opsjob\.io|workflows\.argoproj\.io)/(?!v\d|\{|<)[a-z-]+")
#: On our virtual resources, in sentences for callers.
RESOURCE = re.compile(r"opsjobs\.opsjob\.io/")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def texts(path: Path) -> list[str]:
    """The string literals of a module, without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    ]


@pytest.mark.parametrize("path", STEPS_AND_SERVICE, ids=name)
def test_a_label_or_annotation_stands_in_the_protocol_alone(path: Path) -> None:
    assert not [text for text in texts(path) if KEY.search(RESOURCE.sub("", text))]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", [path for path in MODULES if "service" in path.parts], ids=name)
def test_the_service_imports_nothing_of_the_steps_but_the_protocol(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = [
        *(node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)),
        *(alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names),
    ]
    foreign = [module for module in imported if module.split(".")[0] == "workflow_templates"]
    assert all(module.startswith("workflow_templates.protocol") for module in foreign), foreign


def test_no_two_modules_have_the_same_name() -> None:
    """A reader who looks for a module opens the right one; each job type has its template.py."""
    names = Counter(path.name for path in PRODUCT if path.name not in {"__init__.py", "__main__.py", "template.py"})
    assert [name for name, count in names.items() if count > 1] == []

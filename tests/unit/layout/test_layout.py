"""The layout of the product, as docs/ and CONTRIBUTING.md promise it to a reader. Each test names all that break it."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
MODULES = sorted(path for folder in ("service", "workflow_templates") for path in (ROOT / folder).rglob("*.py"))
PRODUCT = [*MODULES, *sorted(path for folder in ("local_cluster", "cli") for path in (ROOT / folder).rglob("*.py"))]
STEPS_AND_SERVICE = [path for path in MODULES if "protocol" not in path.parts]
#: A key of ours or of Argo's with its prefix; not the group of our rights and resources, nor an apiVersion.
KEY = re.compile(r"(?<![\w.])(opsjob\.io|workflows\.argoproj\.io)/(?!v\d|\{|<)[a-z-]+")
#: Words that docs/glossary.md replaces by others.
OLD_WORDS = re.compile(r"\b(nobody|somebody|anybody|last word|lets? go|lent|projector)\b", re.IGNORECASE)
#: On our virtual resources, in sentences for callers.
RESOURCE = re.compile(r"opsjobs\.opsjob\.io/")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def texts(path: Path) -> list[str]:
    """The string literals of a module, without its docstrings."""
    nodes = list(ast.walk(tree(path)))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    literals = (node for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings)
    return [node.value for node in literals if isinstance(node.value, str)]


def imported(path: Path) -> list[str]:
    nodes = list(ast.walk(tree(path)))
    return [
        *(node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)),
        *(alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names),
    ]


def test_a_label_or_annotation_stands_in_the_protocol_alone() -> None:
    found = {
        name(path): [text for text in texts(path) if KEY.search(RESOURCE.sub("", text))] for path in STEPS_AND_SERVICE
    }
    assert {path: keys for path, keys in found.items() if keys} == {}


def test_no_module_is_longer_than_400_lines() -> None:
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > 400} == {}


def test_the_service_imports_nothing_of_the_steps_but_the_protocol() -> None:
    of_steps = {
        name(path): [module for module in imported(path) if module.split(".")[0] == "workflow_templates"]
        for path in MODULES
        if "service" in path.parts
    }
    foreign = {
        path: [module for module in modules if not module.startswith("workflow_templates.protocol")]
        for path, modules in of_steps.items()
    }
    assert {path: modules for path, modules in foreign.items() if modules} == {}


def test_no_two_modules_have_the_same_name() -> None:
    """A reader who looks for a module opens the right one; each job type has its template.py."""
    names = Counter(path.name for path in PRODUCT if path.name not in {"__init__.py", "__main__.py", "template.py"})
    assert [name for name, count in names.items() if count > 1] == []


def test_the_product_is_written_in_the_glossarys_words() -> None:
    """In names, comments and messages; a migration that has run is left as it is."""
    written = {name(path): path.read_text(encoding="utf-8") for path in PRODUCT if "versions" not in path.parts}
    found = {path: OLD_WORDS.findall(text) for path, text in written.items()}
    assert {path: words for path, words in found.items() if words} == {}


#: What these read is written by other programs, which give no code beside it.
READS_OTHERS = {
    "service/domain/messages.py": "Argo and the kubelet",
    "workflow_templates/protocol/argo_message.py": "Argo",
    "workflow_templates/protocol/pod_start.py": "a message of ours that Argo passes on without its reason",
    "workflow_templates/exportimage/crane_errors.py": "crane",
    "workflow_templates/exportimage/quoting.py": "crane",
    "workflow_templates/dumplog/read_retries.py": "the apiserver on its kubelets",
}
#: Words in a row, as a sentence has them.
SENTENCE = re.compile(r"[A-Za-z]{2,} [a-z]{2,}")
COMPARING = {"startswith", "endswith", "removeprefix", "removesuffix", "partition", "rpartition", "find", "index"}
COMPARING |= {"compile", "search", "match", "fullmatch", "findall", "split"}


def compared(path: Path) -> list[str]:
    """Sentences that a module looks for in a text, also by the name of a constant of its own."""
    constants = {
        target.id: node.value.value
        for node in tree(path).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    operands: list[ast.expr] = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Compare):
            operands += [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in COMPARING:
            operands += node.args
        elif isinstance(node, ast.MatchValue):
            operands.append(node.value)
    values = [
        constants.get(one.id) if isinstance(one, ast.Name) else getattr(one, "value", None)
        for operand in operands
        for one in (operand.elts if isinstance(operand, ast.Tuple) else [operand])
    ]
    return [value for value in values if isinstance(value, str) and SENTENCE.search(value)]


def test_no_code_compares_a_sentence() -> None:
    """A message is for a person; what a program compares is a reason code or an exit code beside it."""
    found = {name(path): compared(path) for path in MODULES if name(path) not in READS_OTHERS}
    assert {path: sentences for path, sentences in found.items() if sentences} == {}


def test_those_that_may_do_so_need_it() -> None:
    assert [path for path in READS_OTHERS if not compared(ROOT / path)] == []

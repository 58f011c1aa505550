"""In what order an export tries what the workload has, and what it says when nothing helped."""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.workflow_templates.apiserver import ApiServer, serving
from workflow_templates.exportimage.crane import Crane
from workflow_templates.exportimage.crane_errors import ExportError
from workflow_templates.exportimage.export import Export, Exporter

DIGEST = "sha256:" + "1" * 64
REFUSED = "UNAUTHORIZED: authentication required"
HIDDEN = "NAME_UNKNOWN: repository name not known to registry"
GONE = "MANIFEST_UNKNOWN: manifest unknown"
BUSY = "TOOMANYREQUESTS: slow down"

#: A registry by command line: `answers` says what each account ("" for none) is told of each repository, one a call,
#: the last for ever; an empty one: the image is there.
PROGRAM = """
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
auths = json.load(open(os.environ["DOCKER_CONFIG"] + "/config.json"))["auths"]
command, image = sys.argv[1:3]
if command == "digest" and "/custom/" in image:
    if (here / "tagged").exists():
        sys.exit(print(os.environ["DIGEST"]))
    sys.exit("Error: GET https://t.example.com/v2/custom/a/manifests/x: MANIFEST_UNKNOWN: manifest unknown")
if command == "digest":
    repository = image.partition("@")[0]
    answers = json.loads((here / "answers").read_text())
    left = answers[repository][auths.get(repository, {}).get("auth", "")]
    answer = left.pop(0) if len(left) > 1 else left[0]
    (here / "answers").write_text(json.dumps(answers))
    if answer:
        sys.exit(f"Error: GET https://{repository.replace('/', '/v2/', 1)}/manifests/x: {answer}")
    print(os.environ["DIGEST"])
if command == "copy":
    (here / "copied").write_text(image)
if command == "tag":
    (here / "tagged").touch()
"""

MakeExporter = Callable[..., Exporter]


@pytest.fixture
def exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeExporter]:
    """Make an export from the repositories of `answers`, by a pull secret each for the accounts in there."""
    server = ApiServer()
    monkeypatch.setenv("DIGEST", DIGEST)

    def make(answers: dict[str, dict[str, list[str]]]) -> Exporter:
        accounts = {name for told in answers.values() for name in told if name}
        for account in accounts:
            auths = {repository: {"auth": account} for repository, told in answers.items() if account in told}
            data = {".dockerconfigjson": base64.b64encode(json.dumps({"auths": auths}).encode()).decode()}
            server.put(f"/api/v1/namespaces/team-a/secrets/{account}", {"data": data})
        (tmp_path / "answers").write_text(json.dumps(answers))
        program = tmp_path / "crane"
        program.write_text(f"#!{sys.executable}\n{PROGRAM}")
        program.chmod(0o755)
        export = Export(DIGEST, tuple(answers), "t.example.com/custom/a", "20251113", "team-a", tuple(sorted(accounts)))
        crane = Crane(tmp_path / "home", tmp_path, str(program))
        return Exporter("job-1", export, crane, cluster, credentials=tmp_path / "none", pauses=(0.01, 0.01))

    with serving(server) as cluster:
        yield make


@pytest.mark.parametrize(
    "answers",
    [
        {"s.example.com/a": {"one": [HIDDEN], "two": [""], "": [REFUSED]}},
        {"s.example.com/a": {"one": [REFUSED], "": [""]}},
        {"gone.example.com/a": {"": [GONE]}, "s.example.com/a": {"one": [""], "": [REFUSED]}},
        {"busy.example.com/a": {"": [BUSY]}, "s.example.com/a": {"": [""]}},
        {"s.example.com/a": {"": [BUSY, ""]}},
    ],
)
def test_whatever_the_workload_has_is_tried(
    exporter: MakeExporter, tmp_path: Path, answers: dict[str, dict[str, list[str]]]
) -> None:
    assert exporter(answers).run() == "t.example.com/custom/a:20251113"
    assert (tmp_path / "copied").read_text() == f"s.example.com/a@{DIGEST}"


@pytest.mark.parametrize(
    ("answers", "sentences"),
    [
        (
            {"s.example.com/a": {"one": [REFUSED], "two": [GONE], "": [REFUSED]}},
            ["the source registry s.example.com does not have the image any more"],
        ),
        (
            {"s.example.com/a": {"one": [REFUSED], "": [REFUSED]}},
            ["the source registry s.example.com refuses our credentials"],
        ),
        (
            {"s.example.com/a": {"": [GONE]}, "m.example.com/a": {"": [REFUSED]}},
            ["the source registry s.example.com does not have", "; the source registry m.example.com refuses our"],
        ),
        ({"s.example.com/a": {"": [BUSY]}}, ["the source registry s.example.com limits how often it may be called"]),
    ],
)
def test_the_most_telling_answer_of_each_source_is_told(
    exporter: MakeExporter, answers: dict[str, dict[str, list[str]]], sentences: list[str]
) -> None:
    with pytest.raises(ExportError) as raised:
        exporter(answers).run()
    assert str(raised.value).startswith(sentences[0])
    assert all(sentence in str(raised.value) for sentence in sentences)
    assert str(raised.value).count("the source registry") == len(sentences)


@pytest.mark.parametrize("name", ["../../other/secrets/theirs", "..", "a/b", "theirs?watch=true", ""])
def test_a_pull_secret_that_is_no_name_is_asked_for_nowhere(exporter: MakeExporter, name: str) -> None:
    """Whoever makes a pod writes its imagePullSecrets; the name was put into a path as it stood."""
    made = exporter({"r.example.com/a": {"": [""]}})
    made.export = replace(made.export, pull_secrets=(name,))
    found, lacking = made._pull_secrets()
    assert not found
    assert lacking == [f"{name!r} is no name in the Kubernetes API"]

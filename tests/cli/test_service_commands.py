"""opsjobs whoami, templates: what a person may do, and with what."""

import json
import tarfile
from pathlib import Path

from tests.cli.conftest import Opsjobs
from tests.cli.served import Served


def test_a_person_sees_who_they_are_and_what_they_may(opsjobs: Opsjobs) -> None:
    ended = opsjobs("whoami")
    assert ended.code == 0, ended.err
    assert "alice (id-alice)" in ended.out
    assert "addon the cluster create, get, list, update, delete" in " ".join(ended.out.split())
    assert opsjobs("whoami", "-o", "name").out == "alice\n"


def test_templates_are_listed_and_one_is_shown_with_its_text(opsjobs: Opsjobs, service: Served) -> None:
    listed = opsjobs("templates")
    assert [line.split()[:2] for line in listed.out.splitlines()[1:]] == [["fix", "addon"], ["all", "node"]]
    assert "script" not in listed.out
    shown = opsjobs("templates", "fix")
    assert "script:\necho \\x1b]0;owned\\x07\necho two" in shown.out
    assert "test -e x" in shown.out
    assert "\x1b" not in shown.out + listed.out
    assert "runs: fix" in opsjobs("templates", "all").out
    assert opsjobs("templates", "nope").code == 3
    assert opsjobs("templates", "-o", "name").out.split() == ["fix", "all"]
    service.world.reads_templates = False  # type: ignore[attr-defined]  # of the world that conftest makes
    assert "script" not in json.loads(opsjobs("templates", "-o", "json").out)["addonTemplates"][0]


def test_a_bundle_has_what_helps_and_no_token(opsjobs: Opsjobs, tmp_path: Path) -> None:
    opsjobs("context", "set", "kept", "--url", "https://kept.example.com", "--token-stdin", stdin="kept-secret")
    job_id = opsjobs("reboot", "--node", "n1").out.strip()
    ended = opsjobs("support-bundle", job_id, "nope-aaaaaa", "-f", str(tmp_path / "bundle.tar.gz"))
    assert ended.code == 0, ended.err
    with tarfile.open(tmp_path / "bundle.tar.gz") as archive:
        parts = {Path(member.name).stem: archive.extractfile(member) for member in archive.getmembers()}
        content = {name: json.load(part) for name, part in parts.items() if part}
    assert content["job-0"]["jobId"] == job_id
    assert "there is no job" in content["job-1"]["error"]
    assert content["client"]["contexts"] == {"kept": {"url": "https://kept.example.com"}}
    assert content["whoami"]["userName"] == "alice"
    assert "kept-secret" not in json.dumps(content)
    assert set(content["addontemplates"][0]) == {"name", "description", "required"}
    assert opsjobs("support-bundle", "-f", str(tmp_path / "bundle.tar.gz")).code == 3

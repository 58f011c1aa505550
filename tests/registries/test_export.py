"""exportimage's step, from registry to registry."""

import json
import stat
import threading
from pathlib import Path

import pytest

from local_cluster.registries import PASSWORD
from tests.registries.conftest import DATE, MakeExporter, Start, pull_secret
from tests.registries.running import Images, Running, entry, tool
from tests.unit.workflow_templates.apiserver import LEASES, WORKFLOWS, ApiServer

AT_WORK = {"metadata": {"labels": {"workflows.argoproj.io/completed": "false"}}}


def digest(image: str) -> str:
    return image.partition("@")[2]


def test_an_image_is_copied_under_the_days_tag(
    source: Running, target: Running, images: Images, exporter: MakeExporter
) -> None:
    image = images.push(f"{source.host}/team/app:1")
    name = exporter(image, f"{target.host}/custom/team/app").run()
    assert name == f"{target.host}/custom/team/app:{DATE}"
    assert images.crane("digest", name) == digest(image)
    images.crane("validate", "--remote", name)


def test_the_same_image_is_found_and_not_copied_again(
    source: Running, target: Running, images: Images, exporter: MakeExporter
) -> None:
    image = images.push(f"{source.host}/team/app:1")
    first = exporter(image, f"{target.host}/custom/team/app").run()
    source.stop()
    assert exporter(image, f"{target.host}/custom/team/app", job="job-2").run() == first


def test_other_images_of_that_day_are_numbered_and_stay_what_they_were(
    source: Running, target: Running, images: Images, exporter: MakeExporter
) -> None:
    made = [images.push(f"{source.host}/team/app:{number}") for number in range(3)]
    names = [exporter(image, f"{target.host}/custom/team/app").run() for image in made]
    assert [name.rpartition(":")[2] for name in names] == [DATE, f"{DATE}-2", f"{DATE}-3"]
    assert [images.crane("digest", name) for name in names] == [digest(image) for image in made]
    assert exporter(made[1], f"{target.host}/custom/team/app").run() == names[1]


def test_an_index_keeps_all_its_platforms(
    source: Running, target: Running, images: Images, exporter: MakeExporter
) -> None:
    parts = [images.push(f"{source.host}/team/app:{number}") for number in range(2)]
    words = [word for part in parts for word in ("--manifest", part)]
    images.crane("index", "append", *words, "--tag", f"{source.host}/team/app:all")
    index = f"{source.host}/team/app@{images.crane('digest', f'{source.host}/team/app:all')}"
    name = exporter(index, f"{target.host}/custom/team/app").run()
    manifests = json.loads(images.crane("manifest", name))["manifests"]
    assert [manifest["digest"] for manifest in manifests] == [digest(part) for part in parts]
    for part in parts:
        images.crane("validate", "--remote", f"{target.host}/custom/team/app@{digest(part)}")


def test_of_many_at_once_each_image_gets_a_tag_of_its_own(
    source: Running, target: Running, images: Images, server: ApiServer, exporter: MakeExporter
) -> None:
    made = [images.push(f"{source.host}/team/app:{number}") for number in range(4)]
    names: dict[str, str] = {}
    steps = {image: exporter(image, f"{target.host}/custom/team/app", job=f"job-{n}") for n, image in enumerate(made)}
    for number in range(4):
        server.put(f"{WORKFLOWS}/job-{number}", AT_WORK)

    def run(image: str) -> None:
        names[image] = steps[image].run()

    threads = [threading.Thread(target=run, args=(image,)) for image in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names.values())) == 4
    assert all(images.crane("digest", names[image]) == digest(image) for image in made)
    assert not [path for path in server.objects if path.startswith(LEASES)]


def test_source_and_target_may_be_one_registry_with_an_account_each(
    target: Running, images: Images, server: ApiServer, exporter: MakeExporter
) -> None:
    image = images.push(f"{target.host}/team/private:1")
    secret = pull_secret(server, "team", {target.host: entry()})
    name = exporter(image, f"{target.host}/custom/team/private", pull_secrets=(secret,)).run()
    assert images.crane("digest", name) == digest(image)


def test_the_pull_secret_that_the_registry_takes_is_found(
    start: Start, target: Running, images: Images, server: ApiServer, exporter: MakeExporter
) -> None:
    private = start("private", password=True)
    images.know(private.host)
    image = images.push(f"{private.host}/team/app:1")
    images.know(target.host)
    secrets = (
        pull_secret(server, "elsewhere", {"registry.example.com": entry()}),
        pull_secret(server, "stale", {f"{private.host}/team": entry("yesterday's")}),
        pull_secret(server, "right", {f"https://{private.host}/v2/": entry()}),
    )
    name = exporter(image, f"{target.host}/custom/team/app", pull_secrets=secrets).run()
    assert images.crane("digest", name) == digest(image)


@pytest.fixture
def recorder(tmp_path: Path) -> tuple[Path, Path]:
    """Crane with a file beside it that gets its command lines, its environment and what it says."""
    seen, program = tmp_path / "seen", tmp_path / "crane"
    program.write_text(
        f'#!/bin/bash\n{{ echo "$@"; env; }} >> {seen}\nexec {tool("crane")} "$@" 2> >(tee -a {seen} >&2)\n'
    )
    program.chmod(0o755)
    return program, seen


def test_passwords_are_on_no_command_line_and_in_no_log(
    source: Running, target: Running, images: Images, exporter: MakeExporter, recorder: tuple[Path, Path]
) -> None:
    program, seen = recorder
    image = images.push(f"{source.host}/team/app:1")
    exporter(image, f"{target.host}/custom/team/app", program=program).run()
    said = seen.read_text()
    assert f"copy {image} {target.host}/custom/team/app@{digest(image)}" in said
    assert f":{PASSWORD}" not in said
    assert f"={PASSWORD}" not in said
    assert entry()["auth"] not in said
    config = seen.parent / "crane-job-1" / "config.json"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700
    assert list(config.parent.iterdir()) == [config]

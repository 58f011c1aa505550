"""exportimage's step, from registry to registry."""

import hashlib
import json
import stat
import threading
import time
from pathlib import Path

import pytest

from local_cluster.registries import PASSWORD, USER
from tests.registries.conftest import DATE, MakeExporter, Start, pull_secret
from tests.registries.running import READER, READERS_PASSWORD, Images, Running, entry, free_port, tool
from tests.unit.workflow_templates.apiserver import LEASES, WORKFLOWS, ApiServer
from workflow_templates.exportimage.crane_errors import ExportError

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


@pytest.fixture
def witness(tmp_path: Path) -> tuple[Path, Path]:
    """Crane with a file beside it that gets a line a call: its command, and the credentials it has."""
    seen, program = tmp_path / "calls", tmp_path / "crane-with-a-witness"
    program.write_text(
        f'#!/bin/bash\necho "$1 $(cat $DOCKER_CONFIG/config.json)" >> {seen}\nexec {tool("crane")} "$@"\n'
    )
    program.chmod(0o755)
    return program, seen


def test_source_and_target_may_be_one_registry_with_an_account_each(
    target: Running, images: Images, server: ApiServer, exporter: MakeExporter, witness: tuple[Path, Path]
) -> None:
    image = images.push(f"{target.host}/team/private:1")
    theirs = entry(READERS_PASSWORD, READER)
    secret = pull_secret(server, "team", {target.host: theirs})
    program, seen = witness
    step = exporter(image, f"{target.host}/custom/team/private", pull_secrets=(secret,), program=program)
    assert images.crane("digest", step.run()) == digest(image)
    calls = [line.partition(" ") for line in seen.read_text().splitlines()]
    had = [(command, json.loads(config)["auths"]) for command, _, config in calls]
    ours = {f"{target.host}/custom/team/private": {"username": USER, "password": PASSWORD}}
    read = {f"{target.host}/team/private": theirs}
    assert had == [
        ("digest", ours),
        ("digest", read),
        ("copy", read | ours),
        ("digest", ours),
        ("tag", ours),
        ("digest", ours),
    ]


@pytest.mark.parametrize("auths", [{}, {"elsewhere.example.com": entry()}])
def test_the_targets_account_reads_nothing_that_the_workload_may_not(
    target: Running, images: Images, server: ApiServer, exporter: MakeExporter, auths: dict[str, dict[str, str]]
) -> None:
    """By itself crane would use it for every repository of the registry that has no credential of its own."""
    images.push(f"{target.host}/custom/team/private:other")
    image = images.push(f"{target.host}/team/private:1")
    secret = pull_secret(server, "team", auths)
    with pytest.raises(ExportError, match=f"the source registry {target.host} refuses our credentials"):
        exporter(image, f"{target.host}/custom/team/private", pull_secrets=(secret,)).run()
    assert images.crane("ls", f"{target.host}/custom/team/private").split() == ["other"]


def test_the_workloads_account_pushes_nothing(
    source: Running, images: Images, server: ApiServer, exporter: MakeExporter, witness: tuple[Path, Path]
) -> None:
    """A registry that is source and target, and no Secret of the target's."""
    image = images.push(f"{source.host}/team/app:1")
    theirs = entry(READERS_PASSWORD, READER)
    secret = pull_secret(server, "team", {source.host: theirs})
    program, seen = witness
    target = f"{source.host}/custom/team/app"
    exporter(image, target, user=None, pull_secrets=(secret,), program=program).run()
    calls = [line for line in seen.read_text().splitlines() if not line.startswith("digest ")]
    assert [line.partition(" ")[0] for line in calls] == ["copy", "tag"]
    assert not any(theirs["auth"] in line for line in calls)


def test_the_image_is_looked_for_wherever_it_may_be(
    source: Running, target: Running, images: Images, exporter: MakeExporter
) -> None:
    """A node names a digest by any repository that has it, and a short name may have been completed by the runtime."""
    image = images.push(f"{source.host}/team/app:1")
    elsewhere = (f"localhost:{free_port()}/team/app", f"{source.host}/team/other")
    name = exporter(image, f"{target.host}/custom/team/app", before=elsewhere).run()
    assert images.crane("digest", name) == digest(image)


@pytest.fixture
def between(source: Running, target: Running) -> tuple[Running, Running]:
    return source, target


@pytest.mark.parametrize(
    "wrongly",
    [
        ("tag", 'echo "Error: PUT https://h/v2/a/manifests/b: unexpected status code 502 Bad Gateway" >&2; exit 1'),
        ("digest", f"echo sha256:{'0' * 64}; exit 0"),
        ("digest", 'echo "Error: HEAD https://h/v2/a/manifests/b: unexpected status code 503 Busy" >&2; exit 1'),
    ],
)
def test_a_wrong_answer_while_it_is_named_is_asked_for_again(
    images: Images, exporter: MakeExporter, tmp_path: Path, between: tuple[Running, Running], wrongly: tuple[str, str]
) -> None:
    """Once, and only behind the copy: when it is tagged, or when the tag is read back."""
    (source, target), (command, answer) = between, wrongly
    program, tagged, wrong = tmp_path / "crane", tmp_path / "tagged", tmp_path / "wrong"
    lie = f'[ "$1" = {command} ] && [ ! -e {wrong} ] && {{ touch {wrong}; {answer}; }}'
    begins = "true" if command == "tag" else f"[ -e {tagged} ]"
    run = f'{tool("crane")} "$@"; code=$?; [ "$1" = tag ] && touch {tagged}; exit $code'
    program.write_text(f"#!/bin/bash\n{begins} && {lie}\n{run}\n")
    program.chmod(0o755)
    image = images.push(f"{source.host}/team/app:1")
    name = exporter(image, f"{target.host}/custom/team/app", program=program).run()
    assert wrong.exists(), "nothing was answered wrongly"
    assert name == f"{target.host}/custom/team/app:{DATE}"
    assert images.crane("ls", f"{target.host}/custom/team/app").split() == [DATE]
    assert images.crane("digest", name) == digest(image)


def test_who_waits_for_the_name_waits_until_its_holders_job_ends(
    source: Running, target: Running, images: Images, server: ApiServer, exporter: MakeExporter
) -> None:
    image = images.push(f"{source.host}/team/app:1")
    step = exporter(image, f"{target.host}/custom/team/app")
    lease = f"{LEASES}/export-{hashlib.sha256(step.export.target.encode()).hexdigest()[:40]}"
    server.put(lease, {"spec": {"holderIdentity": "job-0"}})
    server.put(f"{WORKFLOWS}/job-0", AT_WORK)
    names: list[str] = []
    run = threading.Thread(target=lambda: names.append(step.run()))
    run.start()
    until = time.monotonic() + 60
    while sum(seen == ("GET", lease) for seen in server.seen) < 2:
        assert time.monotonic() < until, "it does not ask for the Lease again"
        time.sleep(0.05)
    assert names == []
    server.objects.pop(f"{WORKFLOWS}/job-0")
    server.objects.pop(lease)  # as the service does once that job is over
    run.join(60)
    assert names == [f"{target.host}/custom/team/app:{DATE}"]


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

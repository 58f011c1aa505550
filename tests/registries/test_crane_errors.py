"""Each way an export can fail, from a real registry's mouth: which side, why, and what to do."""

import time
from pathlib import Path

import pytest

from tests.registries.conftest import DATE, NAMESPACE, MakeExporter, Start, pull_secret
from tests.registries.running import (
    Images,
    Line,
    Running,
    Trust,
    entry,
    free_port,
    full_registry,
    harbor_without_project,
)
from tests.unit.workflow_templates.apiserver import ApiServer
from workflow_templates.exportimage.crane_errors import ExportError
from workflow_templates.exportimage.export import Exporter

NOWHERE = "sha256:" + "0" * 64


def failure(step: Exporter) -> str:
    """Its sentence; it must come soon, because nothing that cannot pass is waited for."""
    with pytest.raises(ExportError) as raised:
        step.run()
    return str(raised.value)


def tags(images: Images, repository: str) -> list[str]:
    return images.crane("ls", repository).split()


@pytest.mark.parametrize("account", [{"password": "wrong"}, {"user": None}])
def test_the_target_refuses_us(
    source: Running, target: Running, images: Images, exporter: MakeExporter, account: dict[str, str | None]
) -> None:
    image = images.push(f"{source.host}/team/app:1")
    said = failure(exporter(image, f"{target.host}/custom/team/app", **account))
    assert said.startswith(f"the target registry {target.host} refuses our credentials, or the lack of them: ")
    assert "exportImage.existingSecret" in said


def test_the_targets_authority_is_unknown(
    source: Running, start: Start, images: Images, exporter: MakeExporter, tmp_path: Path
) -> None:
    stranger = start("stranger", trust=Trust(tmp_path / "strangers"))
    image = images.push(f"{source.host}/team/app:1")
    said = failure(exporter(image, f"{stranger.host}/custom/team/app"))
    assert said.startswith(f"the target registry {stranger.host} shows a certificate of an authority that is not known")
    assert "exportImage.caConfigMap" in said


def test_the_target_has_no_such_project(
    source: Running, images: Images, exporter: MakeExporter, tmp_path: Path, trust: Trust
) -> None:
    image = images.push(f"{source.host}/team/app:1")
    with harbor_without_project(tmp_path / "harbor", trust) as harbor:
        said = failure(exporter(image, f"{harbor.host}/custom/team/app"))
    assert said.startswith(f"the target registry {harbor.host} has no such project: make it there, or name another")


def test_the_targets_disk_is_full(
    source: Running, images: Images, exporter: MakeExporter, tmp_path: Path, trust: Trust
) -> None:
    image = images.push(f"{source.host}/team/app:1", size=2_000_000)
    with full_registry(tmp_path / "full", trust) as full:
        said = failure(exporter(image, f"{full.host}/custom/team/app", user=None))
    assert said.startswith(f"the target registry {full.host} has no space left on its disk")


def test_the_target_does_not_answer(source: Running, images: Images, exporter: MakeExporter) -> None:
    image = images.push(f"{source.host}/team/app:1")
    nobody = f"localhost:{free_port()}"
    assert failure(exporter(image, f"{nobody}/custom/team/app")).startswith(
        f"the target registry {nobody} cannot be reached"
    )


def test_the_source_does_not_answer(target: Running, exporter: MakeExporter) -> None:
    nobody = f"localhost:{free_port()}"
    said = failure(exporter(f"{nobody}/team/app@{NOWHERE}", f"{target.host}/custom/team/app"))
    assert said.startswith(f"the source registry {nobody} cannot be reached")


def test_the_sources_authority_is_unknown(
    target: Running, start: Start, exporter: MakeExporter, tmp_path: Path
) -> None:
    stranger = start("stranger", trust=Trust(tmp_path / "strangers"))
    said = failure(exporter(f"{stranger.host}/team/app@{NOWHERE}", f"{target.host}/custom/team/app"))
    assert said.startswith(f"the source registry {stranger.host} shows a certificate of an authority that is not known")


def test_the_source_lost_the_image(source: Running, target: Running, images: Images, exporter: MakeExporter) -> None:
    image = images.push(f"{source.host}/team/app:1")
    images.crane("delete", image)
    said = failure(exporter(image, f"{target.host}/custom/team/app"))
    assert said.startswith(f"the source registry {source.host} does not have the image any more")


def test_the_source_refuses_what_the_workload_has(
    start: Start, target: Running, images: Images, server: ApiServer, exporter: MakeExporter
) -> None:
    private = start("private", password=True)
    images.know(private.host)
    image = images.push(f"{private.host}/team/app:1")
    wrong = pull_secret(server, "wrong", {private.host: entry("yesterday's")})
    server.put(f"/api/v1/namespaces/{NAMESPACE}/secrets/other", {"data": {"key": "dmFsdWU="}})
    said = failure(exporter(image, f"{target.host}/custom/team/app", pull_secrets=(wrong, "other", "absent")))
    assert said.startswith(f"the source registry {private.host} refuses our credentials")
    assert "Secret other is no pull secret" in said
    assert f"there is no pull secret absent in namespace {NAMESPACE}" in said
    assert "yesterday" not in said


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_line_that_breaks_is_tried_again(
    source: Running, target: Running, images: Images, exporter: MakeExporter, side: str
) -> None:
    image = images.push(f"{source.host}/team/app:1", size=3_000_000)
    broken = source if side == "source" else target
    with Line(broken.port, after=1_000_000, cuts=1).open() as line:
        if side == "source":
            name = exporter(image.replace(source.host, line.host), f"{target.host}/custom/team/app").run()
        else:
            name = exporter(image, f"{line.host}/custom/team/app").run()
    assert line.cuts <= 0, "nothing was cut"
    assert images.crane("digest", name.replace(line.host, target.host)) == image.partition("@")[2]


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_line_that_always_breaks_ends_the_export_and_leaves_no_tag(
    source: Running, target: Running, images: Images, exporter: MakeExporter, side: str
) -> None:
    image = images.push(f"{source.host}/team/app:1", size=3_000_000)
    images.push(f"{target.host}/custom/team/app:other")
    broken = source if side == "source" else target
    begun = time.monotonic()
    with Line(broken.port, after=1_000_000, cuts=1_000_000).open() as line:
        if side == "source":
            said = failure(exporter(image.replace(source.host, line.host), f"{target.host}/custom/team/app"))
        else:
            said = failure(exporter(image, f"{line.host}/custom/team/app"))
    here, there = (line.host, target.host) if side == "source" else (source.host, line.host)
    broke = f"the source registry {here} or the target registry {there} broke the connection off in the middle"
    assert said.startswith(broke)
    assert DATE not in tags(images, f"{target.host}/custom/team/app")
    assert time.monotonic() - begun < 120

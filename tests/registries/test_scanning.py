"""A target that does not hand out what was just pushed, because it still looks for vulnerabilities, or found some."""

import pytest

from tests.registries.conftest import DATE, MakeExporter
from tests.registries.running import Images, Running, Trust
from tests.registries.scanning import scanning
from workflow_templates.exportimage.crane_errors import ExportError

#: More than an export asks.
ALWAYS = 1000


@pytest.mark.parametrize("digests", [False, True], ids=["by tag", "by digest too"])
def test_an_image_that_is_being_scanned_is_waited_for(  # noqa: PLR0913 - one fixture each
    source: Running, target: Running, images: Images, exporter: MakeExporter, trust: Trust, *, digests: bool
) -> None:
    image = images.push(f"{source.host}/team/app:1")
    with scanning(target, trust, refusals=2, digests=digests) as harbor:
        name = exporter(image, f"{harbor.host}/custom/team/app").run()
        assert name == f"{harbor.host}/custom/team/app:{DATE}"
    assert len(harbor.refused) == 2
    assert images.crane("ls", f"{target.host}/custom/team/app").split() == [DATE]


def test_one_that_stays_forbidden_is_said_to_be_there_and_so_is_it_to_the_next_job(
    source: Running, target: Running, images: Images, exporter: MakeExporter, trust: Trust
) -> None:
    image = images.push(f"{source.host}/team/app:1")
    digest = image.partition("@")[2]
    with scanning(target, trust, refusals=ALWAYS) as harbor:
        name = f"{harbor.host}/custom/team/app:{DATE}"
        with pytest.raises(ExportError) as first:
            exporter(image, f"{harbor.host}/custom/team/app").run()
        with pytest.raises(ExportError) as second:
            exporter(image, f"{harbor.host}/custom/team/app", job="job-2").run()
    assert str(first.value).startswith(f"{name} is there, as {digest}, and cannot be read back: the target registry ")
    assert "a policy of its project forbids it" in str(first.value)
    assert "PROJECTPOLICYVIOLATION" in str(first.value)
    assert str(second.value).startswith(f"{name} is there, which may or may not be this image, and cannot be read back")
    assert images.crane("ls", f"{target.host}/custom/team/app").split() == [DATE], "no second tag for the same image"
    assert images.crane("digest", f"{target.host}/custom/team/app:{DATE}") == digest


def test_one_that_cannot_even_be_tagged_is_said_to_be_there_by_its_digest(
    source: Running, target: Running, images: Images, exporter: MakeExporter, trust: Trust
) -> None:
    image = images.push(f"{source.host}/team/app:1")
    repository, digest = f"{target.host}/custom/team/app", image.partition("@")[2]
    with scanning(target, trust, refusals=ALWAYS, digests=True) as harbor, pytest.raises(ExportError) as raised:
        exporter(image, f"{harbor.host}/custom/team/app").run()
    assert str(raised.value).startswith(f"{harbor.host}/custom/team/app@{digest} is there, but cannot be tagged: ")
    assert images.crane("digest", f"{repository}@{digest}") == digest

"""The one image by its digest: everywhere that it stands."""

import re

import pytest

from tests.unit.chart.rendering import Object, refusal, render

pytestmark = pytest.mark.programs

DIGEST = "sha256:" + "0123456789abcdef" * 4


def images(found: object) -> list[str]:
    """Every value of a field `image` that is text, however deep."""
    if isinstance(found, list):
        return [image for one in found for image in images(one)]
    if not isinstance(found, dict):
        return []
    own = [found["image"]] if isinstance(found.get("image"), str) else []
    return own + [image for one in found.values() for image in images(one)]


@pytest.mark.parametrize(
    ("tag", "whole"), [("", f"example.com/ops@{DIGEST}"), ("1.2", f"example.com/ops:1.2@{DIGEST}")]
)
def test_with_a_digest_every_container_runs_exactly_that_image(tag: str, whole: str) -> None:
    image: Object = {"repository": "example.com/ops", "tag": tag, "digest": DIGEST}
    rendered = render({"image": image, "exportImage": {"registry": "harbor.example.com"}})
    found = [one for one in images(rendered.objects) if one.startswith("example.com/ops")]
    assert set(found) == {whole}
    kinds = {item["kind"] for item in rendered.objects if whole in images(item)}
    assert kinds == {"Deployment", "Pod", "Job", "WorkflowTemplate"}


def test_admission_takes_the_image_by_its_digest() -> None:
    image = {"repository": "example.com/ops", "digest": DIGEST}
    policies = render({"image": image}).kind("ValidatingAdmissionPolicy")
    rules = [rule["expression"] for policy in policies for rule in policy["spec"]["validations"]]
    patterns = re.findall(r'matches\("(\^\(example[^"]*)"\)', "\n".join(rules))
    assert patterns, "no rule on images is rendered"
    for pattern in patterns:
        rule = re.compile(pattern.replace("\\\\", "\\"))
        assert rule.search(f"example.com/ops@{DIGEST}")
        assert not rule.search(f"example.com/other@{DIGEST}")


def test_a_digest_is_a_whole_one() -> None:
    assert "image.digest" in refusal({"image": {"digest": "sha256:short"}}).replace("/", ".")

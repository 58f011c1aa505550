from pathlib import Path

import pytest

from local_cluster.cluster_settings import Settings
from local_cluster.elsewhere import controller_values, image_values, tool
from local_cluster.stages import StageError


@pytest.mark.parametrize(
    ("image", "values"),
    [
        ("", {}),
        ("registry.example.com:5000/ops/jobs", {"image.repository": "registry.example.com:5000/ops/jobs"}),
        (
            "registry.example.com:5000/ops/jobs:1.2",
            {"image.repository": "registry.example.com:5000/ops/jobs", "image.tag": "1.2"},
        ),
        ("opsjobs:dev", {"image.repository": "opsjobs", "image.tag": "dev"}),
    ],
)
def test_an_image_is_told_to_the_chart_by_repository_and_tag(image: str, values: dict[str, str]) -> None:
    assert image_values(image) == values


def test_the_chart_is_told_who_argos_controller_is_where_there_is_one() -> None:
    one = {"metadata": {"namespace": "argo-system"}, "spec": {"serviceAccountName": "argo-controller"}}
    other = {"metadata": {"namespace": "team-a"}, "spec": {"serviceAccountName": "argo"}}
    assert controller_values([one, one]) == {"argo.controller": "argo-system:argo-controller"}
    assert controller_values([]) == controller_values([one, other]) == {}


def test_a_tool_that_is_nowhere_is_asked_for_by_name(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no-such-tool is needed"):
        tool("no-such-tool", Settings(cache=tmp_path))

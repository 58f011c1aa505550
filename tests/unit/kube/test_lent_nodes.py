from typing import Any

import pytest

from service.kube.lent_nodes import uncordoning

GONE = {"opsjob.io/cordoned-by": None, "opsjob.io/cordoned-before": None}


def marked(by: str, before: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {"opsjob.io/cordoned-by": by, "opsjob.io/cordoned-before": before}}}


@pytest.mark.parametrize(("before", "unschedulable"), [("true", True), ("false", None)])
def test_a_cordon_goes_back_to_what_it_was(before: str, unschedulable: bool | None) -> None:  # noqa: FBT001 - data
    assert uncordoning(marked("job-1", before), "job-1") == {
        "metadata": {"annotations": GONE},
        "spec": {"unschedulable": unschedulable},
    }


@pytest.mark.parametrize("node", [marked("job-2", "false"), {"metadata": {}}, {"metadata": {"annotations": {}}}])
def test_a_cordon_that_is_not_this_jobs_stays(node: dict[str, Any]) -> None:
    assert uncordoning(node, "job-1") is None

"""make lint refuses a change of the API that breaks clients of the last release."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_cluster import api_lint
from local_cluster.cluster_settings import Settings
from local_cluster.stages import StageError, Stages

pytestmark = pytest.mark.programs


def without_a_field(document: Any) -> None:
    del document["components"]["schemas"]["AddonRequest"]["properties"]["batchCount"]


def without_a_call(document: Any) -> None:
    del document["paths"]["/api/v1/opsjobs/{job_id}"]["delete"]


def with_one_more_call(document: Any) -> None:
    document["paths"]["/api/v1/more"] = document["paths"]["/api/v1/whoami"]


@pytest.mark.parametrize(
    ("change", "found"),
    [(without_a_field, "removed the request property"), (without_a_call, "API removed"), (with_one_more_call, "")],
)
def test_what_breaks_a_client_is_found(
    change: Callable[[Any], None], found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(api_lint.RELEASED.read_text())
    change(document)
    now = tmp_path / "openapi.json"
    now.write_text(json.dumps(document))
    monkeypatch.setattr(api_lint, "NOW", now)
    if not found:
        api_lint.lint(Settings(), Stages(tmp_path))
        return
    with pytest.raises(StageError, match=found):
        api_lint.lint(Settings(), Stages(tmp_path))

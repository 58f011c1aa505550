import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kube.status import unpacked
from workflow_templates.protocol.node_status import UnreadableStatusError

NODES = {"job-1": {"id": "job-1", "phase": "Running", "message": "升级"}}


def packed(nodes: dict[str, Any]) -> str:
    return base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()


def test_compressed_nodes_are_unpacked_and_the_rest_stays() -> None:
    workflow = {"metadata": {"name": "job"}, "status": {"phase": "Running", "compressedNodes": packed(NODES)}}
    assert unpacked(workflow) == {"metadata": {"name": "job"}, "status": {"phase": "Running", "nodes": NODES}}


def test_plain_nodes_stay_as_they_are() -> None:
    assert unpacked({"status": {"nodes": NODES}})["status"]["nodes"] == NODES


@pytest.mark.parametrize("workflow", [{}, {"status": None}, {"status": {"phase": "Pending"}}], ids=str)
def test_a_workflow_that_has_not_begun_has_no_nodes(workflow: dict[str, Any]) -> None:
    assert unpacked(workflow)["status"]["nodes"] == {}


@given(st.dictionaries(st.text(), st.dictionaries(st.text(), st.text())))
def test_whatever_argo_packs_comes_back(nodes: dict[str, Any]) -> None:
    assert unpacked({"status": {"compressedNodes": packed(nodes)}})["status"]["nodes"] == nodes


@pytest.mark.parametrize(
    "broken",
    ["***", "bm90IGd6aXA=", packed(NODES)[:40], base64.b64encode(gzip.compress(b"{")).decode()],
    ids=["no base64", "no gzip", "cut off", "no JSON"],
)
def test_what_cannot_be_unpacked_names_the_workflow(broken: str) -> None:
    with pytest.raises(UnreadableStatusError, match="Workflow job-7"):
        unpacked({"metadata": {"name": "job-7"}, "status": {"compressedNodes": broken}})

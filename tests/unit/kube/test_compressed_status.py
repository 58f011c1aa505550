import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kube.compressed_status import unpacked

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
    found = unpacked({"metadata": {"name": "job-7"}, "status": {"compressedNodes": broken}})
    assert found["status"]["nodes"] == {}
    assert "Workflow job-7 cannot be read" in found["unreadable"]


def test_a_status_that_argo_keeps_elsewhere_names_the_setting() -> None:
    found = unpacked({"metadata": {"name": "job-7"}, "status": {"offloadNodeStatusVersion": "fnv:1"}})
    assert found["status"]["nodes"] == {}
    assert "nodeStatusOffLoad" in found["unreadable"]


def test_a_status_that_was_kept_elsewhere_before_is_read() -> None:
    found = unpacked({"status": {"offloadNodeStatusVersion": "fnv:1", "nodes": NODES}})
    assert (found["status"]["nodes"], "unreadable" in found) == (NODES, False)

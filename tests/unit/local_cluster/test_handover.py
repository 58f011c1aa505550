from dataclasses import replace
from pathlib import Path

import pytest

from local_cluster.__main__ import _is_ours
from local_cluster.cluster import KUBECONFIG
from local_cluster.cluster_settings import Settings
from local_cluster.handover import Handover


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = Handover("/k", "http://192.0.2.1:30080", "http://192.0.2.1:30274", "/bin", {"node-1": "opsjobs-node-1"})
    file = tmp_path / "build" / "cluster.json"
    written.write(file)
    assert Handover.read(file) == replace(written)


def test_the_kubeconfig_that_we_wrote_is_no_cluster_of_the_users(tmp_path: Path) -> None:
    assert _is_ours(str(KUBECONFIG))
    assert not _is_ours(str(tmp_path / "config"))


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSJOBS_CACHE", str(tmp_path))
    monkeypatch.setenv("OPSJOBS_CLUSTER", "second")
    settings = Settings()
    assert (settings.cache, settings.name) == (tmp_path, "second")
    assert settings.labels == {"opsjob.io/local-cluster": "second"}

import os
import subprocess

import pytest

from tests.cli.terminal import COMMAND, Terminal
from tests.cluster_fixtures import ADMIN
from tests.e2e.live import Cluster


class Opsjobs:
    """The command, as an administrator of the cluster's service."""

    def __init__(self, cluster: Cluster) -> None:
        self._environment = {
            "OPSJOBS_URL": cluster.facts["url"],
            "OPSJOBS_TOKEN": cluster.token(ADMIN),
            "OPSJOBS_CA_FILE": cluster.facts["ca"],
        }

    def __call__(self, *words: str, **other: str) -> subprocess.CompletedProcess[str]:
        here = os.environ | self._environment | other
        return subprocess.run([COMMAND, *words], env=here, capture_output=True, text=True, check=False)

    def begun(self, *words: str) -> "subprocess.Popen[str]":
        here = os.environ | self._environment
        return subprocess.Popen([COMMAND, *words], env=here, stdout=subprocess.PIPE, text=True)

    def in_terminal(self, *words: str) -> Terminal:
        return Terminal(*words, **self._environment)


@pytest.fixture
def opsjobs(cluster: Cluster) -> Opsjobs:
    return Opsjobs(cluster)

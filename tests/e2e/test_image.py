"""The product image as it is on the cluster."""

import json
import re
import subprocess

from local_cluster.cluster_settings import CHECKOUT
from tests.e2e.live import Cluster


def test_the_image_holds_its_own_list(cluster: Cluster) -> None:
    def inside(*command: str) -> str:
        run = ["docker", "run", "--rm", "--network=none", "--entrypoint", command[0], cluster.image, *command[1:]]
        return subprocess.run(run, capture_output=True, text=True, check=True).stdout

    parts = {
        (part["name"], part["version"])
        for part in json.loads(inside("cat", "/opt/opsjobs/sbom.cdx.json"))["components"]
    }
    for folder in inside("ls", "/opt/opsjobs/packages").split():
        if found := re.fullmatch(r"(.+)-([^-]+)\.dist-info", folder):
            assert (found[1].lower().replace("_", "-"), found[2]) in parts
    pinned = (CHECKOUT / "local_cluster/go/crane/go.mod").read_text()
    crane = re.search(r"(github.com/google/go-containerregistry) (v\S+)", pinned)
    assert crane
    assert (crane[1], crane[2]) in parts
    assert any(name == "stdlib" for name, _ in parts)

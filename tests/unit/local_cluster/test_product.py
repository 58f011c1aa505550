from pathlib import Path

import pytest

from local_cluster import product
from local_cluster.kubectl import Kubectl
from local_cluster.stages import Stage


@pytest.mark.parametrize("sets_back", [True, False])
def test_only_on_a_cluster_of_its_own_does_it_set_back_what_others_have_changed(
    tmp_path: Path, *, sets_back: bool
) -> None:
    """An interrupted test leaves a ConfigMap of the chart's changed, and Helm refused the next make up."""
    for name, says in (("kubectl", '{"items": []}'), ("helm", "")):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "$0" "$@" >> {tmp_path}/commands\necho \'{says}\'\n')
        program.chmod(0o755)
    kubectl = Kubectl(tmp_path / "kubeconfig", tmp_path / "kubectl")

    product.install(kubectl, tmp_path / "helm", {}, None, Stage("x", tmp_path / "log"), sets_back=sets_back)

    (upgrade,) = [line for line in (tmp_path / "commands").read_text().splitlines() if "helm upgrade" in line]
    assert ("--force-conflicts" in upgrade.split()) == sets_back

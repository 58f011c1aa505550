"""The command line against the real service, in a real terminal: the way of README.md and docs/cli.md."""

import json
import os
import re
import secrets
from collections.abc import Callable

from tests.cluster_fixtures import ADMIN
from tests.e2e.cli.conftest import Opsjobs
from tests.e2e.live import Api, Cluster


def test_a_job_is_made_watched_and_reported(api: Api, opsjobs: Opsjobs, addon: Callable[..., str], node: str) -> None:
    template = addon("echo \"it says $((6 * 7))\"; printf '\\033]0;owned\\007'")
    terminal = opsjobs.in_terminal("addon", "-t", template, "--node", node, "--name", "by hand", "--wait")
    assert terminal.ended() == 0, terminal.screen
    found = re.search(r"by-hand-[a-z0-9]{6}", terminal.screen)
    assert found is not None
    api.submitted.append(found[0])
    assert re.search(r"1/1 +1 Succeeded", terminal.screen)

    report = opsjobs("report", found[0])
    assert report.returncode == 0, report.stderr
    assert node in report.stdout
    assert "owned" in report.stdout
    assert "\x1b" not in report.stdout
    assert json.loads(opsjobs("get", found[0], "-o", "json").stdout) == api.job(found[0])
    assert found[0] in opsjobs("list", "--name", "by hand", "-o", "name").stdout.split()


def test_ctrl_c_leaves_it_running_and_a_failed_job_is_a_failed_command(
    api: Api, opsjobs: Opsjobs, addon: Callable[..., str], node: str
) -> None:
    template = addon("exit 3")
    terminal = opsjobs.in_terminal("addon", "-t", template, "--node", node, "--name", "left alone", "--wait")
    terminal.until(r"left-alone-[a-z0-9]{6} .*(Pending|Running|Failed)")
    terminal.press("\x03")
    # It may have ended in that very moment.
    assert terminal.ended() in (130, 1)
    found = re.search(r"left-alone-[a-z0-9]{6}", terminal.screen)
    assert found is not None
    api.submitted.append(found[0])

    watched = opsjobs("watch", found[0])
    assert watched.returncode == 1
    assert f"{node}: Failed" in watched.stdout
    assert api.job(found[0])["phase"] == "Failed"


def test_a_dry_run_a_refusal_and_a_token_of_nobody_end_as_the_page_says(opsjobs: Opsjobs) -> None:
    shown = opsjobs("reboot", "--cluster", "local", "--dry-run", "-o", "json")
    assert shown.returncode == 0, shown.stderr
    assert set(json.loads(shown.stdout)) == {"plan", "planDigest"}
    assert opsjobs("reboot", "--node", "no-such-node").returncode == 3
    assert opsjobs("list", OPSJOBS_TOKEN="two words").returncode == 2
    refused = opsjobs("list", OPSJOBS_TOKEN="nobodys")
    assert (refused.returncode, "--audience=opsjobs" in refused.stderr) == (3, True)
    untrusted = opsjobs("list", OPSJOBS_CA_FILE="", SSL_CERT_FILE="/dev/null", SSL_CERT_DIR="/nowhere")
    assert (untrusted.returncode, "--ca-file" in untrusted.stderr) == (4, True)


def test_a_viewer_sees_what_they_may_and_templates_are_for_who_may_run_them(cluster: Cluster, opsjobs: Opsjobs) -> None:
    namespace, name = cluster.facts["namespace"], f"e2e-{secrets.token_hex(3)}"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "opsjobs-viewer"}
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": role,
            "subjects": [subject],
        },
    )
    try:
        token = cluster.token(name)
        found = json.loads(opsjobs("whoami", "-o", "json", OPSJOBS_TOKEN=token).stdout)
        assert found["userName"] == f"system:serviceaccount:{namespace}:{name}"
        assert {right["verb"] for right in found["rights"]} == {"get", "list"}
        assert opsjobs("templates", OPSJOBS_TOKEN=token).returncode == 3
    finally:
        cluster.kubectl("delete", "clusterrolebinding", name)
        cluster.kubectl("delete", "serviceaccount", name, "-n", namespace)
    shown = opsjobs("templates", "disable-os-upgrade", "-o", "json")
    assert json.loads(shown.stdout)["addonTemplates"][0]["script"]
    assert "delete" in {right["verb"] for right in json.loads(opsjobs("whoami", "-o", "json").stdout)["rights"]}


def test_a_person_with_a_kubeconfig_needs_no_address(cluster: Cluster, opsjobs: Opsjobs) -> None:
    """The port of 127.0.0.1 that kubectl forwards shows the Service's certificate, by the Service's name."""
    path = f"{cluster.facts['bin']}:{os.environ['PATH']}"
    words = ("--kubeconfig", cluster.facts["kubeconfig"], "--service-account", ADMIN, "-n", cluster.facts["namespace"])
    found = opsjobs("whoami", "-o", "name", *words, "--ca-file", cluster.facts["ca"], PATH=path, OPSJOBS_TOKEN="")
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == f"system:serviceaccount:{cluster.facts['namespace']}:{ADMIN}"

"""The product on the cluster: its image, made from this checkout, and the chart."""

import json
import os
import shutil
import tarfile
import time
from pathlib import Path

import httpx

from local_cluster import daemon, image_builds
from local_cluster.binaries import CRANE
from local_cluster.cluster_settings import BUILD, CHECKOUT, RELEASE_NAMESPACE, Settings
from local_cluster.handover import Handover
from local_cluster.kubectl import POLL_SECONDS, Kubectl
from local_cluster.stages import Stage, StageError, Stages

RELEASE = "opsjobs"
REPOSITORY = "opsjobs"
CHART = CHECKOUT / "charts" / "opsjobs"
VALUES = Path(__file__).with_name("values.yaml")
PACKAGES = BUILD / "packages.tar"
PROGRAM = BUILD / "crane"
ANSWER_SECONDS = 60


def build_image(settings: Settings, stages: Stages) -> str:
    """Build the product image of this checkout, unless Docker holds it already, and return its tag.

    The tag is a hash of what goes in, so no node can run anything stale under it.
    """
    base = image_builds.python_base(settings, stages)
    crane = CRANE.folder(settings.cache)
    tag = f"{REPOSITORY}:{source_digest([base, crane.name])}"
    if image_builds.present(tag):
        return tag
    with stages.stage("Building the product image") as stage:
        _gather_packages(stage)
        shutil.copyfile(crane / "crane", PROGRAM)
        image_builds.build(CHECKOUT, tag, settings.labels, stage, {"BASE": base, "GO": base})
        _forget_older(tag)
    return tag


def source_digest(made_elsewhere: list[str]) -> str:
    """Hash the sources that go in, and the names of what is made outside, each of which carries a hash of its own."""
    sources = [CHECKOUT / part for part in ("service", "workflow_templates", "console")]
    files = [
        CHECKOUT / part
        for part in ("Dockerfile", ".dockerignore", "pyproject.toml", "uv.lock", "local_cluster/sbom.py")
    ]
    return image_builds.digest(made_elsewhere, *sources, *files)


def install(  # noqa: PLR0913 - each is said by the caller
    kubectl: Kubectl,
    helm: Path | str,
    settings: dict[str, str],
    values: Path | None,
    stage: Stage,
    *,
    sets_back: bool = False,
) -> None:
    """Install or upgrade the chart and wait until its pods are ready; `settings` are values set by name.

    `sets_back`: what others have changed of the chart's objects since becomes what the chart says, as an interrupted
    test leaves it; else Helm refuses to.
    """
    # Helm installs definitions once and never again.
    kubectl.run(stage, "apply", "--server-side", "--force-conflicts", "-f", str(CHART / "crds"))
    _clear_interrupted(kubectl, stage)
    chosen = [word for name, value in settings.items() for word in ("--set-string", f"{name}={value}")]
    given = ["--values", str(values)] if values else []
    where = ["--kubeconfig", str(kubectl.kubeconfig), "--namespace", RELEASE_NAMESPACE, "--create-namespace"]
    wins = ["--force-conflicts"] if sets_back else []
    command = [helm, "upgrade", "--install", RELEASE, CHART, *where, *given, *chosen, *wins]
    stage.run([*command, "--wait", "--timeout", "5m"])


def wait_until_it_answers(handover: Handover, stage: Stage) -> None:
    """Wait until the service says it is ready; raises StageError with its last answer where it does not."""
    url, trusted = handover.url, handover.trust()
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            answer = httpx.get(f"{url}/readyz", timeout=5, verify=trusted)
        except httpx.TransportError as silent:
            last = str(silent)
        else:
            if answer.is_success:
                return
            last = f"{answer.status_code} {answer.text}"
        if time.monotonic() > deadline:
            raise StageError(f"{url}/readyz is not ready after {ANSWER_SECONDS} s: {last}")
        stage.note(last)
        time.sleep(POLL_SECONDS)


def _gather_packages(stage: Stage) -> None:
    """Gather what uv.lock pins, outside the image: a build has no certificate authority of this machine to trust."""
    mark = PACKAGES.with_suffix(".from")
    key = image_builds.digest([], CHECKOUT / "uv.lock", CHECKOUT / "pyproject.toml")
    if PACKAGES.exists() and mark.exists() and mark.read_text() == key:
        return
    folder = BUILD / "packages"
    shutil.rmtree(folder, ignore_errors=True)
    wanted = BUILD / "requirements.txt"
    # uv run names itself; where make has put it in a folder of its own, it is not on PATH.
    uv = os.environ.get("UV", "uv")
    export = [uv, "export", "--quiet", "--frozen", "--no-default-groups", "--no-emit-project"]
    stage.run([*export, "--output-file", wanted], cwd=CHECKOUT)
    install_here: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--target",
        folder,
        "--python-version",
        "3.11",
        "--require-hashes",
    ]
    stage.run([*install_here, "--requirement", wanted], cwd=CHECKOUT)
    with tarfile.open(PACKAGES, "w") as archive:
        archive.add(folder, arcname=".")
    mark.write_text(key)


def _forget_older(tag: str) -> None:
    client = daemon.client()
    for image in client.images.list(name=REPOSITORY):
        for other in image.tags:
            if other != tag:
                client.images.remove(other, force=True)


def _clear_interrupted(kubectl: Kubectl, stage: Stage) -> None:
    """Forget a release that an interrupted run left pending: Helm would refuse to go on, and what is applied stays."""
    chosen = f"owner=helm,name={RELEASE},status in (pending-install,pending-upgrade,pending-rollback)"
    names = kubectl.run(stage, "-n", RELEASE_NAMESPACE, "get", "secrets", "-l", chosen, "-o", "json")
    for secret in json.loads(names)["items"]:
        kubectl.run(stage, "-n", RELEASE_NAMESPACE, "delete", "secret", secret["metadata"]["name"])

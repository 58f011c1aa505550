"""exportimage between real registries over TLS: what the API document shows, and what a registry may have to offer."""

import hashlib
import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_cluster.pki import Authority
from local_cluster.registries import CONFIG_MAP, DOCKER_HUB, HARBOR, PASSWORD, SECRET, USER
from tests.e2e.live import SLEEPER, Api, Cluster, wait_for
from tests.e2e.registries import Registries, Space, changed, docker_config, workspace

pytestmark = pytest.mark.xdist_group("exportimage")

TARGET = HARBOR.names[0]
PRIVATE = HARBOR.names[1]


@pytest.fixture(scope="module")
def registries(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Registries:
    return Registries(cluster, tmp_path_factory.mktemp("registries"))


@pytest.fixture(scope="module")
def space(cluster: Cluster, admin: str) -> Iterator[Space]:
    with workspace(cluster, admin) as space:
        yield space


@pytest.fixture
def repository() -> str:
    """A name that no other test uses, so that its tags are this test's alone."""
    return f"e2e/app-{uuid.uuid4().hex[:8]}"


def export(api: Api, workload: str) -> str:
    return api.create(name="export", type="exportimage", inputs=[{"name": "workload", "value": workload}])


def outputs(job: dict[str, Any]) -> dict[str, str]:
    assert job["phase"] == "Succeeded", job["conditions"]
    return {output["name"]: output["value"] for output in job["outputs"]}


def failure(job: dict[str, Any]) -> str:
    assert (job["phase"], job["conditions"][-1]["reason"], job["outputs"]) == ("Failed", "Failed", [])
    return str(job["conditions"][-1]["message"])


def dates(job: dict[str, Any]) -> str:
    return str(job["creationTime"][:10].replace("-", ""))


def test_the_documents_example(api: Api, space: Space, registries: Registries) -> None:
    registries.empty("custom/library/busybox")
    space.run("pytorch-training-001", "docker.io/library/busybox:latest")
    answer = api.client.post(
        "/api/v1/opsjobs",
        content="""{
          "name": "export-workload-image",
          "type": "exportimage",
          "inputs": [
            { "name": "workload", "value": "pytorch-training-001" }
          ],
          "timeoutSecond": 3600
        }""",
    )
    assert answer.status_code == 200, answer.text
    job = api.finished(answer.json()["jobId"])
    assert job["inputs"] == [
        {"name": "workload", "value": "pytorch-training-001"},
        {"name": "image", "value": "docker.io/library/busybox:latest"},
    ]
    digest = registries.digest(f"{registries.host(DOCKER_HUB)}/library/busybox:latest")
    assert outputs(job) == {"target": f"{TARGET}/custom/library/busybox:{dates(job)}", "digest": digest}
    assert registries.exported(outputs(job)["target"]) == digest
    assert (job["plan"]["nodes"], job["timeoutSecond"]) == ([], 3600)


def test_a_days_images_are_told_apart_and_none_is_overwritten(
    api: Api, space: Space, registries: Registries, repository: str
) -> None:
    """What ran counts, not what its tag means by now."""
    first = registries.push(f"{repository}:1")
    space.run("first", f"docker.io/{repository}:1")
    second = registries.push(f"{repository}:1")
    space.run("second", f"docker.io/{repository}:1")

    job = api.finished(export(api, "first"))
    name = f"{TARGET}/custom/{repository}:{dates(job)}"
    assert outputs(job) == {"target": name, "digest": first}
    assert outputs(api.finished(export(api, "second"))) == {"target": f"{name}-2", "digest": second}
    assert outputs(api.finished(export(api, "first"))) == {"target": name, "digest": first}
    assert outputs(api.finished(export(api, "second"))) == {"target": f"{name}-2", "digest": second}
    assert registries.exported(name) == first
    assert sorted(registries.tags(f"custom/{repository}")) == [dates(job), f"{dates(job)}-2"]


def test_of_several_at_once_each_gets_a_tag_of_its_own(
    api: Api, space: Space, registries: Registries, repository: str
) -> None:
    digests = []
    for number in range(3):
        digests.append(registries.push(f"{repository}:{number}"))
        space.run(f"at-once-{number}", f"docker.io/{repository}:{number}")
    jobs = [api.finished(job) for job in [export(api, f"at-once-{number}") for number in range(3)]]
    assert [outputs(job)["digest"] for job in jobs] == digests
    assert len({outputs(job)["target"] for job in jobs}) == 3
    assert [registries.exported(outputs(job)["target"]) for job in jobs] == digests
    assert len(registries.tags(f"custom/{repository}")) == 3


def test_an_index_goes_over_with_all_its_platforms(
    api: Api, space: Space, registries: Registries, repository: str
) -> None:
    digest, platforms = registries.push_index(f"{repository}:1", ["linux/amd64", "linux/arm64"])
    space.run("index", f"docker.io/{repository}:1")
    exported = outputs(api.finished(export(api, "index")))
    assert exported["digest"] == digest
    manifest = json.loads(registries.crane("manifest", registries.here(exported["target"])))
    assert [entry["digest"] for entry in manifest["manifests"]] == platforms
    for platform in ("linux/amd64", "linux/arm64"):
        registries.crane("validate", "--remote", registries.here(exported["target"]), "--platform", platform)


@pytest.mark.parametrize("registry", [PRIVATE, pytest.param(TARGET, marks=pytest.mark.long)])
def test_a_private_source_is_read_with_the_workloads_own_pull_secret(
    api: Api, space: Space, registries: Registries, repository: str, registry: str
) -> None:
    """Nor is it read with the target's account where source and target are one registry."""
    cluster, secret = space.cluster, f"team-{registry.partition('.')[0]}"
    digest = registries.push(f"{repository}:1", to=HARBOR)
    space.pull_secret(secret, registry)
    workload = space.run(f"of-{secret}", f"{registry}/{repository}:1", imagePullSecrets=[{"name": secret}])

    refused = api.finished(export(api, workload))
    assert (refused["phase"], refused["outputs"]) == ("Failed", [])
    message = refused["conditions"][-1]["message"]
    assert f"the source registry {registry} refuses our credentials" in message
    assert f"pull secret {secret} of namespace {space.name} may not be read" in message
    assert registries.tags(f"custom/{repository}") == []

    space.let_exports_read(secret)
    job_id = export(api, workload)
    assert outputs(api.finished(job_id))["digest"] == digest
    logs = cluster.kubectl("logs", "-n", cluster.jobs, "-l", f"opsjob.io/job-id={job_id}", "--all-containers")
    assert digest in logs
    for part in (json.loads(docker_config(registry))["auths"][registry]["auth"], USER, f":{PASSWORD}@"):
        assert part not in logs


def test_a_target_that_refuses_us_is_named(
    cluster: Cluster, api: Api, space: Space, registries: Registries, repository: str
) -> None:
    registries.push(f"{repository}:1")
    space.run("refused", f"docker.io/{repository}:1")
    with changed(cluster, "secret", SECRET, "password", "yesterday's"):
        message = failure(api.finished(export(api, "refused")))
    assert f"the target registry {TARGET} refuses our credentials, or the lack of them: look at the Secret" in message
    assert "yesterday" not in message


def test_a_target_whose_authority_nobody_knows_is_named(
    cluster: Cluster, api: Api, space: Space, registries: Registries, repository: str
) -> None:
    registries.push(f"{repository}:1")
    space.run("stranger", f"docker.io/{repository}:1")
    stranger = Authority.new().identity.certificate.decode()
    with changed(cluster, "configmap", CONFIG_MAP, "ca.crt", stranger):
        message = failure(api.finished(export(api, "stranger")))
    assert f"the target registry {TARGET} shows a certificate of an authority that is not known here" in message


def test_a_source_that_lost_the_image_is_named(api: Api, space: Space, registries: Registries, repository: str) -> None:
    digest = registries.push(f"{repository}:1")
    space.run("lost", f"docker.io/{repository}:1")
    registries.crane("delete", f"{registries.host(DOCKER_HUB)}/{repository}@{digest}")
    message = failure(api.finished(export(api, "lost")))
    assert "the source registry docker.io does not have the image any more" in message


def test_what_cannot_be_exported_is_refused_at_once(cluster: Cluster, api: Api, space: Space) -> None:
    labels = {"app": "no-pod"}
    cluster.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "no-pod", "namespace": space.name},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [SLEEPER]}},
            },
        },
        # Not busybox: the same content pulled from a registry gives it a name there.
        space.pod("by-hand", containers=[{"name": "main", "image": "registry.k8s.io/pause:opsjobs"}]),
        space.pod("not-yet", containers=[{**SLEEPER, "image": "private.opsjobs.test/no/such:1"}]),
    )
    wait_for("the image that a node holds", lambda: space.image_id("by-hand"))
    sentences = {
        "no-pod": "workload 'no-pod' has no pod",
        "by-hand": "it was loaded into its node by hand",
        "not-yet": "has not started yet, so its image is not known: ErrImageNeverPull",
    }
    for workload, sentence in sentences.items():
        body = {"name": "x", "type": "exportimage", "inputs": [{"name": "workload", "value": workload}]}

        def said(body: dict[str, Any] = body, sentence: str = sentence) -> bool:
            answer = api.client.post("/api/v1/opsjobs", params={"dryRun": "true"}, json=body)
            assert answer.status_code == 400
            assert answer.json()["errors"][0]["path"] == "inputs[0].value"
            return sentence in answer.json()["errors"][0]["message"]

        wait_for(sentence, said)


def test_the_other_containers_are_named(api: Api, space: Space, registries: Registries, repository: str) -> None:
    registries.push(f"{repository}:1")
    containers = [
        {**SLEEPER, "name": "train", "image": f"docker.io/{repository}:1", "imagePullPolicy": "Always"},
        {**SLEEPER, "name": "sidecar"},
    ]
    space.cluster.apply(space.pod("two", containers=containers))
    wait_for("both containers", lambda: space.image_id("two"))
    job = api.finished(export(api, "two"))
    assert f"custom/{repository}" in outputs(job)["target"]
    message = job["conditions"][0]["message"]
    assert "of container 'train' of pod 'two', not those of its others: busybox:opsjobs (sidecar)" in message


def test_what_was_exported_is_an_image_like_any(  # noqa: PLR0913, PLR0917 - fixtures
    api: Api, space: Space, registries: Registries, repository: str, tmp_path: Path, workload_nodes: list[str]
) -> None:
    """Another client pulls it, and a node runs it."""
    digest = registries.push(f"{repository}:1")
    # A node that has one content under two names says only one of them.
    here, there = workload_nodes
    space.run("origin", f"docker.io/{repository}:1", nodeName=here)
    exported = outputs(api.finished(export(api, "origin")))
    space.pull_secret("harbor", TARGET)
    space.run("copy", exported["target"], imagePullSecrets=[{"name": "harbor"}], nodeName=there)
    assert space.image_id("copy") == f"{TARGET}/custom/{repository}@{digest}"

    certificates = tmp_path / "certificates"
    certificates.mkdir()
    (certificates / "ca.crt").write_bytes((registries.scratch / "ca.crt").read_bytes())
    command: list[str | Path] = ["skopeo", "copy", "--authfile", registries.scratch / "config.json"]
    command += ["--src-cert-dir", certificates]
    pulled = subprocess.run(
        [*command, f"docker://{registries.here(exported['target'])}", f"dir:{tmp_path}/pulled"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert pulled.returncode == 0, pulled.stderr
    manifest = (tmp_path / "pulled" / "manifest.json").read_bytes()
    assert f"sha256:{hashlib.sha256(manifest).hexdigest()}" == digest

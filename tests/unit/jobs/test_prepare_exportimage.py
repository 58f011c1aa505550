"""What an exportimage job is made of, from what the cluster says of a workload (contract: exportimage)."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from service.domain.cluster_objects import Container, Pod, Workload
from service.domain.job import JobType, Named
from service.domain.request_faults import Fault, FaultCode
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.ports import Cluster
from service.jobs.preparation import Work
from service.jobs.prepare_exportimage import EXPORT, Exports, ExportSettings

DIGEST = "sha256:" + "0123456789abcdef" * 4
WORKLOAD = Workload("train", "team-a", "team-a", frozenset({"gpu-1"}), ("train-0", "train-1"))
POD = Pod(
    "train-0",
    "team-a",
    (Container("main", "docker.io/library/busybox:latest", f"docker.io/library/busybox@{DIGEST}"),),
    pull_secrets=("team-registry",),
)
BY_HAND = (
    "the image 'busybox:opsjobs' of container 'main' of pod 'train-0' "
    "came from no registry: it was loaded into its node by hand"
)
ORDER = Order(
    name="export",
    type=JobType.EXPORTIMAGE,
    inputs=(Named("workspace", "team-a"), Named("workload", "train")),
)


class Pods:
    """The part of the cluster that is asked."""

    def __init__(self, *pods: Pod) -> None:
        self._pods = {(pod.namespace, pod.name): pod for pod in pods}

    async def pod(self, namespace: str, name: str) -> Pod | None:
        return self._pods.get((namespace, name))


async def prepare(*pods: Pod, selection: Selection | None = None, **where: str) -> Work:
    settings = ExportSettings(**{"registry": "harbor.example.com"} | where)
    exports = Exports(cluster=cast("Cluster", Pods(*pods)), settings=settings)
    return await exports.prepare(ORDER, selection or Selection(workloads=(WORKLOAD,)))


def exported(work: Work) -> Any:
    assert not work.faults
    return json.loads(work.files[EXPORT])


def running(image: str, image_id: str, **fields: Any) -> Pod:
    return replace(POD, containers=(Container("main", image, image_id),), **fields)


async def test_the_step_is_told_what_ran_and_what_it_is_to_be_called() -> None:
    work = await prepare(POD)
    export = exported(work)
    assert re.fullmatch(r"\d{8}", export.pop("date"))
    assert export == {
        "digest": DIGEST,
        "sources": ["docker.io/library/busybox"],
        "target": "harbor.example.com/custom/library/busybox",
        "namespace": "team-a",
        "pullSecrets": ["team-registry"],
        "refusedNetworks": [],
        "insecureSources": [],
    }
    assert work.inputs == (Named("image", "docker.io/library/busybox:latest"),)
    assert (work.parameters, work.note) == ({}, "")


async def test_the_day_is_that_of_the_submission_in_utc() -> None:
    before = datetime.now(UTC)
    date = exported(await prepare(POD))["date"]
    assert date in {f"{moment:%Y%m%d}" for moment in (before, datetime.now(UTC))}


async def test_registry_and_project_are_the_installations() -> None:
    export = exported(await prepare(POD, registry="registry.example.com:8443", project="kept"))
    assert export["target"] == "registry.example.com:8443/kept/library/busybox"


async def test_the_specs_own_repository_comes_before_any_that_the_node_knows_the_digest_by() -> None:
    """Its pull secrets are for that one; but a runtime may complete a short name with a registry of its own choice."""
    export = exported(await prepare(running("busybox", f"mirror.example.com/hub/busybox@{DIGEST}")))
    assert export["sources"] == ["docker.io/library/busybox", "mirror.example.com/hub/busybox"]
    assert export["digest"] == DIGEST
    assert export["target"] == "harbor.example.com/custom/library/busybox"


async def test_a_spec_that_names_an_image_by_its_id_is_called_what_the_node_calls_it() -> None:
    export = exported(await prepare(running(DIGEST, f"ghcr.io/team/app@{DIGEST}")))
    assert export["target"] == "harbor.example.com/custom/team/app"
    assert export["sources"] == ["ghcr.io/team/app"]


async def test_the_oldest_pod_whose_image_is_known_counts() -> None:
    """One that was evicted before it started, or cannot be pulled, is in nobody's way."""
    dead = replace(POD, containers=(Container("main", "busybox", waits_for="ImagePullBackOff"),))
    alive = replace(running("busybox:2", f"docker.io/library/busybox@{DIGEST}"), name="train-1")
    work = await prepare(dead, alive)
    assert exported(work)["digest"] == DIGEST
    assert work.inputs == (Named("image", "busybox:2"),)


async def test_the_first_container_of_the_oldest_pod_that_is_left_counts_and_the_others_are_named() -> None:
    others = (Container("proxy", "envoy:1"),)
    pod = replace(POD, name="train-1", containers=POD.containers + others, init_containers=(Container("get", "get:2"),))
    work = await prepare(pod)
    assert exported(work)["sources"] == ["docker.io/library/busybox"]
    assert work.note == (
        "exports the image of container 'main' of pod 'train-1', not those of its others: get:2 (get), envoy:1 (proxy)"
    )


@pytest.mark.parametrize(
    ("pods", "sentence"),
    [
        ([], "workload 'train' has no pod, so nothing says what it runs"),
        ([replace(POD, name="other")], "workload 'train' has no pod, so nothing says what it runs"),
        (
            [running("busybox", "")],
            "container 'main' of pod 'train-0' has not started yet, so its image is not known",
        ),
        (
            [replace(POD, containers=(Container("main", "busybox", waits_for="ErrImagePull: denied"),))],
            "container 'main' of pod 'train-0' has not started yet, so its image is not known: ErrImagePull: denied",
        ),
        (
            [running("busybox", ""), replace(running("busybox", ""), name="train-1")],
            "container 'main' of pod 'train-0' has not started yet, so its image is not known",
        ),
        (
            [running("busybox:opsjobs", DIGEST)],
            BY_HAND,
        ),
        (
            [running(f"ghcr.io/team/{'a' * 250}", f"ghcr.io/team/{'a' * 250}@{DIGEST}")],
            f"'custom/team/{'a' * 250}' would be longer than the 255 characters that registries take",
        ),
    ],
)
async def test_what_cannot_be_exported_is_refused_at_its_input(pods: list[Pod], sentence: str) -> None:
    assert (await prepare(*pods)).faults == (Fault("inputs[1].value", sentence, FaultCode.NO_IMAGE),)


async def test_one_job_exports_one_workload() -> None:
    selection = Selection(workloads=(WORKLOAD, replace(WORKLOAD, name="other")))
    (fault,) = (await prepare(POD, selection=selection)).faults
    assert fault == Fault("inputs", "a job exports one workload's image, these are several: train, other")


async def test_where_the_selectors_are_wrong_nothing_more_is_asked() -> None:
    selection = Selection(faults=(Fault("inputs[1].value", "there is no workload 'train'"),))
    assert await prepare(selection=selection) == Work()


async def test_a_project_may_be_of_the_workloads_workspace() -> None:
    export = exported(await prepare(POD, project="kept-{workspace}"))
    assert export["target"] == "harbor.example.com/kept-team-a/library/busybox"


@pytest.mark.parametrize("workspace", ["Team-A", "team_", "a..b", ""])
async def test_a_workspace_that_no_project_can_be_called_by_is_refused(workspace: str) -> None:
    """Made to fit, two workspaces would have one project."""
    selection = Selection(workloads=(replace(WORKLOAD, workspace_id=workspace),))
    work = await prepare(POD, selection=selection, project="{workspace}")
    assert [fault.path for fault in work.faults] == ["inputs[1].value"]
    assert "cannot be part of an image's name" in work.faults[0].message


async def test_where_the_project_is_one_for_all_any_workspace_will_do() -> None:
    selection = Selection(workloads=(replace(WORKLOAD, workspace_id="Team-A"),))
    assert exported(await prepare(POD, selection=selection))["target"].startswith("harbor.example.com/custom/")


IDS = [DIGEST, DIGEST.removeprefix("sha256:")]


@pytest.mark.parametrize("image_id", IDS)
async def test_of_a_runtime_that_tells_only_ids_a_pinned_image_is_exported(image_id: str) -> None:
    """CRI-O: nothing could be exported from its nodes."""
    pinned = f"quay.io/team/train:v1@sha256:{'f' * 64}"
    pod = replace(POD, containers=(Container("main", pinned, image_id, runtime="cri-o"),))
    found = exported(await prepare(pod))
    assert (found["sources"], found["digest"]) == (["quay.io/team/train"], f"sha256:{'f' * 64}")


@pytest.mark.parametrize("image_id", IDS)
async def test_a_runtime_that_tells_only_ids_is_named(image_id: str) -> None:
    pod = replace(POD, containers=(Container("main", "quay.io/team/train:v1", image_id, runtime="cri-o"),))
    ((_, message),) = [(fault.path, fault.message) for fault in (await prepare(pod)).faults]
    assert "cri-o does not tell which digest it was pulled by" in message
    assert "Pin the image by digest" in message
    by_hand = replace(POD, containers=(Container("main", "busybox:opsjobs", image_id, runtime="containerd"),))
    assert [fault.message for fault in (await prepare(by_hand)).faults] == [BY_HAND]

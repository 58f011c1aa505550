"""exportimage: which image a workload really ran, and what it is to be called (contract: exportimage)."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from service.domain import image_reference
from service.domain.cluster_objects import Container, Pod, Workload
from service.domain.job import Named
from service.domain.reach import WORKLOAD
from service.domain.request_faults import Fault, FaultCode
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.ports import Cluster
from service.jobs.preparation import Work

#: These report the name and digest of every image that came from a registry. CRI-O reports an id.
_RUNTIMES_THAT_NAME = ("containerd", "docker", "")
#: The file its step reads.
EXPORT = "export.json"

#: In the name of a project: each workspace has its own, and none takes a name in another's first.
WORKSPACE = "{workspace}"
#: What registries take as a part of a path.
_PART = re.compile(r"[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*")


class ExportSettings(BaseModel, frozen=True):
    """The chart's values exportImage.*: where images are copied to, and from where not."""

    #: The team's own registry, with its port where that is not 443.
    registry: str = ""
    #: May hold WORKSPACE, for which the workload's workspace stands.
    project: str = "custom"
    #: For the step: networks that it does not call, and registries that it may read over plain HTTP.
    refused_networks: Sequence[str] = ()
    insecure_sources: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """Fills service.jobs.preparation.Kind for exportimage jobs."""

    cluster: Cluster
    settings: ExportSettings

    async def prepare(self, order: Order, selection: Selection) -> Work:
        if selection.faults:
            return Work()
        path = next(f"inputs[{index}].value" for index, item in enumerate(order.inputs) if item.name == WORKLOAD)
        if len(selection.workloads) > 1:
            names = ", ".join(workload.name for workload in selection.workloads)
            return Work(faults=(Fault("inputs", f"a job exports one workload's image, these are several: {names}"),))
        (workload,) = selection.workloads
        pod = await self._pod(workload)
        if pod is None:
            return Work(
                faults=(
                    Fault(
                        path, f"workload {workload.name!r} has no pod, so nothing says what it runs", FaultCode.NO_IMAGE
                    ),
                )
            )
        try:
            return self._work(pod, self._project(workload))
        except image_reference.NoReferenceError as error:
            return Work(faults=(Fault(path, str(error), FaultCode.NO_IMAGE),))

    async def _pod(self, workload: Workload) -> Pod | None:
        """The oldest whose image is known; where there is none, the oldest, which can say why."""
        oldest = None
        for name in workload.pods:
            if pod := await self.cluster.pod(workload.namespace, name):
                if pod.containers[0].image_id:
                    return pod
                oldest = oldest or pod
        return oldest

    def _project(self, workload: Workload) -> str:
        """Where this workload's image goes.

        Raises:
            NoReferenceError: its workspace cannot be part of an image's name. It is not changed until it can: two
                workspaces would share one project.
        """
        if WORKSPACE in self.settings.project and not _PART.fullmatch(workload.workspace_id):
            raise image_reference.NoReferenceError(
                f"the workspace {workload.workspace_id!r} cannot be part of an image's name, which exportImage.project "
                "of this installation wants: that takes lower-case letters and digits, with . _ - between them"
            )
        return self.settings.project.replace(WORKSPACE, workload.workspace_id)

    def _work(self, pod: Pod, project: str) -> Work:
        exported, *others = pod.containers
        ran = _ran(pod, exported)
        named = _named(exported, ran)
        export = {
            "digest": ran.digest,
            # A node that has one digest under several names says any of them; the pod's own is whom its pull secrets
            # are for. A runtime may have completed a short name with a registry of its own choice.
            "sources": list(dict.fromkeys([named.repository, ran.repository])),
            "target": f"{self.settings.registry}/{image_reference.exported_path(project, named)}",
            # Of the submission: a job that waits over midnight keeps its day.
            "date": f"{datetime.now(UTC):%Y%m%d}",
            "namespace": pod.namespace,
            "pullSecrets": pod.pull_secrets,
            "refusedNetworks": list(self.settings.refused_networks),
            "insecureSources": list(self.settings.insecure_sources),
        }
        return Work(
            files={EXPORT: json.dumps(export)},
            inputs=(Named("image", exported.image),),
            note=_note(pod, exported, [*pod.init_containers, *others]),
        )


def _ran(pod: Pod, container: Container) -> image_reference.Reference:
    """What to copy: by the digest the pod really ran, whatever its tag means by now.

    Raises:
        NoReferenceError: no registry is known to have it; the message is for the caller.
    """
    where = f"container {container.name!r} of pod {pod.name!r}"
    if not container.image_id:
        why = f": {container.waits_for}" if container.waits_for else ""
        raise image_reference.NoReferenceError(f"{where} has not started yet, so its image is not known{why}")
    try:
        return image_reference.ran(container.image_id)
    except image_reference.BareIdError as error:
        if (pinned := _pinned(container)) is not None:
            return pinned
        why = str(error)
        if container.runtime not in _RUNTIMES_THAT_NAME:
            why = (
                f"is known to its node by an id alone: {container.runtime} does not tell which digest it was pulled "
                "by. Pin the image by digest (name@sha256:…) in the workload"
            )
        raise image_reference.NoReferenceError(f"the image {container.image!r} of {where} {why}") from None
    except image_reference.NoReferenceError as error:
        raise image_reference.NoReferenceError(f"the image {container.image!r} of {where} {error}") from None


def _pinned(container: Container) -> image_reference.Reference | None:
    """What the pod's spec pins its image to; None: to no digest."""
    try:
        spec = image_reference.parse(container.image)
    except image_reference.NoReferenceError:
        return None
    return image_reference.Reference(spec.registry, spec.path, digest=spec.digest) if spec.digest else None


def _named(container: Container, ran: image_reference.Reference) -> image_reference.Reference:
    """The name people know the image by: the spec's, unless that is only an image id."""
    try:
        return image_reference.parse(container.image)
    except image_reference.NoReferenceError:
        return ran


def _note(pod: Pod, exported: Container, others: list[Container]) -> str:
    """Contract: other containers' images are named in the job's conditions."""
    if not others:
        return ""
    listed = ", ".join(f"{other.image} ({other.name})" for other in others)
    return f"exports the image of container {exported.name!r} of pod {pod.name!r}, not those of its others: {listed}"

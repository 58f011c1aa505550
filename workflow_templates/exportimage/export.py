"""The one step of an exportimage job: copy by digest, give it a tag that nothing had, and read it back."""

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from workflow_templates import locks, sigterm, step_output
from workflow_templates.exportimage import crane_errors, credentials
from workflow_templates.exportimage.crane import Crane, CraneError
from workflow_templates.exportimage.crane_errors import ExportError
from workflow_templates.exportimage.credentials import CredentialsError, Entry
from workflow_templates.exportimage.egress import Egress
from workflow_templates.exportimage.proxy import Proxy
from workflow_templates.kubernetes_api import Cluster, ClusterError
from workflow_templates.protocol.api_path import BadNameError, api_path

T = TypeVar("T")

EXPORT = Path("/etc/opsjob/export.json")
CREDENTIALS = Path("/etc/opsjob-registry")
AUTHORITIES = Path("/etc/opsjob-authorities")
#: Where the outputs are taken from, and a folder for crane's credentials.
SCRATCH = Path("/tmp")  # noqa: S108 - the pod's own

#: What may pass is tried again after so many seconds.
PAUSES = (5.0, 15.0, 45.0)
#: Others hold a target's Lease for the seconds that tagging takes, or until their job ends.
_LEASE_PAUSES = (1.0, 15.0)
_LEASE = "export"


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be copied where.

    `digest` from the first of `sources` (repositories) that has it and lets the workload read it, to `target` under a
    tag of `date` (YYYYMMDD).
    """

    digest: str
    sources: tuple[str, ...]
    target: str
    date: str
    namespace: str
    pull_secrets: tuple[str, ...] = ()
    #: Networks that are not called, and registries that are read over plain HTTP (exportImage of the chart).
    refused_networks: tuple[str, ...] = ()
    insecure_sources: tuple[str, ...] = ()

    @classmethod
    def read(cls, file: Path) -> "Export":
        found = json.loads(file.read_text())
        return cls(
            digest=found["digest"],
            sources=tuple(found["sources"]),
            target=found["target"],
            date=found["date"],
            namespace=found["namespace"],
            pull_secrets=tuple(found["pullSecrets"]),
            # A job that was accepted by a version before has neither.
            refused_networks=tuple(found.get("refusedNetworks", ())),
            insecure_sources=tuple(found.get("insecureSources", ())),
        )

    def tag(self, number: int) -> str:
        return self.date if number == 1 else f"{self.date}-{number}"


@dataclass(slots=True)
class Exporter:
    """Works for one job; `cluster` has the target's Lease and the pull secrets."""

    job: str
    export: Export
    crane: Crane
    cluster: Cluster
    credentials: Path = CREDENTIALS
    pauses: tuple[float, ...] = PAUSES
    #: The name it is about to give the image, or has given it.
    tagging: str = ""

    def run(self) -> str:
        """The full name under which the target has the image now.

        Raises:
            ExportError: it has not; the message says which registry is to blame.
            ClusterError: the target's Lease could not be had.
        """
        ours = next(iter(credentials.mounted(self.credentials, self.export.target)), None)
        self._log_in({self.export.target: ours})
        number, found = self._patiently(lambda: self._choose(1))
        if found:
            step_output.log(f"{self._name(number)} is this image already")
            return self._name(number)
        self._copy(ours)
        self._log_in({self.export.target: ours})
        with self._lent():
            return self._patiently(lambda: self._tagged(number))

    def left_behind(self) -> str:
        """The termination message on the target where the job was stopped."""
        if self.tagging:
            return f"was stopped while it named the image: the target may have {self.tagging} already"
        return "was stopped; the target keeps no tag of this job"

    def _choose(self, first: int) -> tuple[int, bool]:
        """The day's tag, counted from `first`, that is this image already, or else the first that is free."""
        number = first
        while (digest := self._digest(self._name(number))) not in (None, self.export.digest):
            number += 1
        return number, digest is not None

    def _copy(self, ours: Entry | None) -> None:
        """Copy without a tag: however long it takes, no client sees half an image, and no other job has to wait."""
        found, lacking = self._pull_secrets()
        ways = [(source, entry) for source in self.export.sources for entry in (*self._entries(found, source), None)]

        def copied() -> None:
            refusals = []
            for source, theirs in ways:
                try:
                    self._copy_from(source, ours, theirs)
                except ExportError as error:
                    # Where the image is and which credential is the right one, only the registries know.
                    if error.side == "target":
                        raise
                    refusals.append((source, error))
                else:
                    return
            raise _one_error(refusals, lacking)

        self._patiently(copied)

    def _entries(self, found: list[Mapping[str, Entry]], source: str) -> list[Entry]:
        """The workload's credentials for a source; none for one that is read over plain HTTP."""
        return [] if _registry(source) in self.export.insecure_sources else credentials.matching(found, source)

    def _copy_from(self, source: str, ours: Entry | None, theirs: Entry | None) -> None:
        """Copy from one source as the workload.

        crane takes any entry of a registry for a repository that has none of its own. So the source is asked first
        with nothing but the workload's credential at hand: what the workload may not read, the target's account must
        not read for it (docs/decisions/0018).
        """
        image = f"{source}@{self.export.digest}"
        self._log_in({source: theirs})
        try:
            self.crane.check_name(source)
            self.crane.digest(image)
        except CraneError as error:
            raise crane_errors.fault(str(error), "source", _registry(source), error.refusals) from None
        if theirs and not ours and _registry(source) == _registry(self.export.target):
            raise ExportError(
                f"the registry {_registry(source)} is source and target, and the workload's pull secret is not used to "
                "push: the target's Secret (exportImage.existingSecret) is missing"
            )
        self._log_in({source: theirs, self.export.target: ours})
        try:
            self.crane.copy(image, f"{self.export.target}@{self.export.digest}")
        except CraneError as error:
            raise crane_errors.fault_of_copy(str(error), source, self.export.target, error.refusals) from None

    def _tagged(self, first: int) -> str:
        """Tag it and read the tag back, only while this job has locked the target. Numbers below `first` are taken."""
        number, found = self._choose(first)
        name = self._name(number)
        if not found:
            self.tagging = name
            try:
                self.crane.tag(f"{self.export.target}@{self.export.digest}", self.export.tag(number))
            except CraneError as error:
                fault = self._target_fault(error)
                if fault.unreadable:  # to tag it, crane reads it
                    untagged = f"{self.export.target}@{self.export.digest} is there, but cannot be tagged: {fault}"
                    raise ExportError(untagged, passing=True, side="target") from None
                raise fault from None
            if self._digest(name) != self.export.digest:
                raise ExportError(f"{name} is another image than the one that was just copied there", passing=True)
        return name

    def _digest(self, name: str) -> str | None:
        """The digest the target has under that name; None: it has nothing there."""
        try:
            return self.crane.digest(name)
        except CraneError as error:
            if crane_errors.is_absent(str(error)):
                return None
            fault = self._target_fault(error)
            if fault.unreadable:
                raise self._unreadable(name, fault) from None
            raise fault from None

    def _unreadable(self, name: str, fault: ExportError) -> ExportError:
        """What there is all the same: this job's image, or one of which only the name is known."""
        what = f"as {self.export.digest}" if name == self.tagging else "which may or may not be this image"
        return ExportError(f"{name} is there, {what}, and cannot be read back: {fault}", passing=True, side="target")

    def _pull_secrets(self) -> tuple[list[Mapping[str, Entry]], list[str]]:
        """The workload's own credentials, and what could not be had of them."""
        found: list[Mapping[str, Entry]] = []
        lacking: list[str] = []
        for name in self.export.pull_secrets:
            try:
                secret = self.cluster.get(api_path("v1", "secrets", namespace=self.export.namespace, name=name))
                if secret:
                    found.append(credentials.of_secret(secret))
                else:
                    lacking.append(f"there is no pull secret {name} in namespace {self.export.namespace}")
            except (BadNameError, CredentialsError) as error:  # a pod's author names what they like
                lacking.append(str(error))
            except ClusterError:
                lacking.append(
                    f"pull secret {name} of namespace {self.export.namespace} may not be read: "
                    "name it in exportImage.pullSecrets"
                )
        for sentence in lacking:
            step_output.log(sentence)
        return found, lacking

    def _log_in(self, entries: Mapping[str, Entry | None]) -> None:
        self.crane.log_in(credentials.docker_config(entries))

    def _name(self, number: int) -> str:
        return f"{self.export.target}:{self.export.tag(number)}"

    def _target_fault(self, error: CraneError) -> ExportError:
        return crane_errors.fault(str(error), "target", _registry(self.export.target), error.refusals)

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do it again, a few times, while that can help."""
        for pause in self.pauses:
            try:
                return work()
            except ExportError as error:
                if not error.passing:
                    raise
                step_output.log(f"{error}; trying again in {pause:g} s")
                time.sleep(pause)
        return work()

    @contextmanager
    def _lent(self) -> Iterator[None]:
        """Hold the target's Lease: of two jobs that look for a free tag, one looks after the other has taken it."""
        name = hashlib.sha256(self.export.target.encode()).hexdigest()[:40]
        pause, longest = _LEASE_PAUSES
        while True:
            try:
                locks.take(self.cluster, name, self.job, _LEASE)
                break
            except locks.HeldError as error:
                step_output.log(f"waiting: {self.export.target} is being tagged by another job: {error}")
                time.sleep(pause)
                pause = min(pause * 2, longest)
        try:
            yield
        finally:
            locks.release(self.cluster, name, self.job, _LEASE)


def _registry(image: str) -> str:
    return image.partition("/")[0]


def _one_error(refusals: list[tuple[str, ExportError]], lacking: list[str]) -> ExportError:
    """One error for all that was tried: each source's most useful response, and what of the credentials was not there.

    That an image is gone says more than that a caller may not look.
    """
    most_useful: dict[str, ExportError] = {}
    for source, error in sorted(refusals, key=lambda refusal: refusal[1].refused):
        most_useful.setdefault(source, error)
    sentences = [str(most_useful[source]) for source in dict(refusals)]
    return ExportError("; ".join([*sentences, *lacking]), passing=any(error.passing for _, error in refusals))


def end(exporter: Exporter, scratch: Path) -> int:
    """Do the work: outputs go to files in `scratch`, how it ended to the termination message; returns the exit code."""
    try:
        with sigterm.raising():
            name = exporter.run()
    except (ExportError, CredentialsError, ClusterError) as error:
        step_output.write_termination_message(str(error))
        return 1
    except sigterm.StoppedError:
        step_output.write_termination_message(exporter.left_behind())
        return sigterm.EXIT_STOPPED
    (scratch / "target").write_text(name)
    (scratch / "digest").write_text(exporter.export.digest)
    step_output.write_termination_message(f"{name} is {exporter.export.digest}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    job, export = parser.parse_args().job, Export.read(EXPORT)
    api = os.environ["KUBERNETES_SERVICE_HOST"]
    egress = Egress.of(_registry(export.target), export.refused_networks, export.insecure_sources, api)
    with Proxy(egress).running() as proxy:
        crane = Crane(SCRATCH / "crane", AUTHORITIES, proxy=proxy)
        return end(Exporter(job, export, crane, Cluster.in_pod()), SCRATCH)


if __name__ == "__main__":
    sys.exit(main())

"""The one step of an exportimage job: copy by digest, give it a tag that nothing had, and read it back."""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from workflow_templates import lease, say, stop
from workflow_templates.cluster import Cluster, ClusterError
from workflow_templates.exportimage import credentials, faults
from workflow_templates.exportimage.crane import Crane, CraneError
from workflow_templates.exportimage.credentials import CredentialsError, Entry
from workflow_templates.exportimage.faults import ExportError

T = TypeVar("T")

EXPORT = Path("/etc/opsjob/export.json")
CREDENTIALS = Path("/etc/opsjob-registry")
AUTHORITIES = Path("/etc/opsjob-authorities")
#: Where the outputs are taken from, and a folder for crane's credentials.
SCRATCH = Path("/tmp")  # noqa: S108 - the pod's own

#: What may pass is tried again after so many seconds.
PAUSES = (5.0, 15.0, 45.0)
#: Others hold a target's Lease for the seconds that tagging takes.
_LEASE_SECONDS = 300.0
_LEASE_PAUSE = 1.0
_LEASE = "export"


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be copied where: `source` by digest, to `target` under a tag of `date` (YYYYMMDD)."""

    source: str
    target: str
    date: str
    namespace: str
    pull_secrets: tuple[str, ...] = ()

    @classmethod
    def read(cls, file: Path) -> "Export":
        found = json.loads(file.read_text())
        return cls(
            source=found["source"],
            target=found["target"],
            date=found["date"],
            namespace=found["namespace"],
            pull_secrets=tuple(found["pullSecrets"]),
        )

    @property
    def repository(self) -> str:
        return self.source.partition("@")[0]

    @property
    def digest(self) -> str:
        return self.source.partition("@")[2]


@dataclass(frozen=True, slots=True)
class Exporter:
    """Works for one job; `cluster` lends the target's Lease and hands out pull secrets."""

    job: str
    export: Export
    crane: Crane
    cluster: Cluster
    credentials: Path = CREDENTIALS
    pauses: tuple[float, ...] = PAUSES

    def run(self) -> str:
        """The full name under which the target has the image now.

        Raises:
            ExportError: it has not; the message says which registry is to blame.
            ClusterError: Kubernetes does not lend the target.
        """
        ours = next(iter(credentials.mounted(self.credentials, self.export.target)), None)
        self._log_in(ours, None)
        tag, found = self._patiently(self._choose)
        if found:
            say.log(f"{self.export.target}:{tag} is this image already")
            return f"{self.export.target}:{tag}"
        self._copy(ours)
        with self._lent():
            return self._patiently(self._tagged)

    def _choose(self) -> tuple[str, bool]:
        """The day's tag that is this image already, or else the first that is free."""
        number = 1
        while True:
            tag = self.export.date if number == 1 else f"{self.export.date}-{number}"
            digest = self._digest(f"{self.export.target}:{tag}")
            if digest in (None, self.export.digest):
                return tag, digest is not None
            number += 1

    def _copy(self, ours: Entry | None) -> None:
        """Copy without a tag: however long it takes, nobody sees half an image, and nobody else has to wait."""
        tried, unreadable = self._pull_credentials()
        refused: ExportError | None = None
        for theirs in (*tried, None):
            self._log_in(ours, theirs)
            try:
                self._patiently(self._copied)
            except ExportError as error:
                # Which of several credentials is the right one, only the registry knows.
                if error.refused_by != "source":
                    raise
                refused = refused or error
            else:
                return
        raise ExportError("; ".join([str(refused), *unreadable]))

    def _copied(self) -> None:
        try:
            self.crane.digest(self.export.source)
        except CraneError as error:
            raise self._fault(error, "source") from None
        try:
            self.crane.copy(self.export.source, f"{self.export.target}@{self.export.digest}")
        except CraneError as error:
            raise faults.fault_of_copy(str(error), self.export.repository, self.export.target) from None

    def _tagged(self) -> str:
        """Tag it and read the tag back; only while the target is lent to this job."""
        tag, found = self._choose()
        name = f"{self.export.target}:{tag}"
        if not found:
            try:
                self.crane.tag(f"{self.export.target}@{self.export.digest}", tag)
            except CraneError as error:
                raise self._fault(error, "target") from None
            if self._digest(name) != self.export.digest:
                raise ExportError(f"{name} is another image than the one that was just copied there", passing=True)
        return name

    def _digest(self, name: str) -> str | None:
        """The digest the target has under that name; None: it has nothing there."""
        try:
            return self.crane.digest(name)
        except CraneError as error:
            if faults.says_nothing_there(str(error)):
                return None
            raise self._fault(error, "target") from None

    def _pull_credentials(self) -> tuple[list[Entry], list[str]]:
        """The workload's own credentials for the source, and what could not be had of them."""
        found, lacking = [], []
        for name in self.export.pull_secrets:
            try:
                secret = self.cluster.get(f"/api/v1/namespaces/{self.export.namespace}/secrets/{name}")
                if secret:
                    found.append(credentials.of_secret(secret))
                else:
                    lacking.append(f"there is no pull secret {name} in namespace {self.export.namespace}")
            except CredentialsError as error:
                lacking.append(str(error))
            except ClusterError:
                lacking.append(
                    f"pull secret {name} of namespace {self.export.namespace} may not be read: "
                    "name it in exportImage.pullSecrets"
                )
        for sentence in lacking:
            say.log(sentence)
        return credentials.matching(found, self.export.repository), lacking

    def _log_in(self, ours: Entry | None, theirs: Entry | None) -> None:
        self.crane.log_in(credentials.docker_config({self.export.repository: theirs, self.export.target: ours}))

    def _fault(self, error: CraneError, side: faults.Side) -> ExportError:
        name = self.export.target if side == "target" else self.export.repository
        return faults.fault(str(error), side, name.partition("/")[0])

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do it again, a few times, while that can help."""
        for pause in self.pauses:
            try:
                return work()
            except ExportError as error:
                if not error.passing:
                    raise
                say.log(f"{error}; trying again in {pause:g} s")
                time.sleep(pause)
        return work()

    @contextmanager
    def _lent(self) -> Iterator[None]:
        """Hold the target's Lease: of two jobs that look for a free tag, one looks after the other has taken it."""
        name = hashlib.sha256(self.export.target.encode()).hexdigest()[:40]
        until = time.monotonic() + _LEASE_SECONDS
        while True:
            try:
                lease.take(self.cluster, name, self.job, _LEASE)
                break
            except lease.HeldError as error:
                if time.monotonic() > until:
                    raise ExportError(f"{self.export.target} is being tagged by another job: {error}") from None
                time.sleep(_LEASE_PAUSE)
        try:
            yield
        finally:
            lease.release(self.cluster, name, self.job, _LEASE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    job = parser.parse_args().job
    try:
        with stop.heard():
            export = Export.read(EXPORT)
            exporter = Exporter(job, export, Crane(SCRATCH / "crane", AUTHORITIES), Cluster.in_pod())
            name = exporter.run()
    except (ExportError, CredentialsError, ClusterError) as error:
        say.last_word(str(error))
        return 1
    except stop.StoppedError:
        say.last_word("was stopped; the target keeps no tag of this job")
        return stop.EXIT_STOPPED
    (SCRATCH / "target").write_text(name)
    (SCRATCH / "digest").write_text(export.digest)
    say.last_word(f"{name} is {export.digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

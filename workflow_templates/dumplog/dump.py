"""The one step of a dumplog job: every log of the workload into one archive in the object store, and a link to it."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from workflow_templates import sigterm, step_output
from workflow_templates.dumplog.archive import Archive
from workflow_templates.dumplog.archive_request import ArchiveRequest
from workflow_templates.dumplog.journal import KINDS
from workflow_templates.dumplog.logs import Log, of_pod
from workflow_templates.dumplog.node_logs import NodeLogs
from workflow_templates.dumplog.read_retries import RetryBudget
from workflow_templates.dumplog.reader import Reader
from workflow_templates.dumplog.spool import READERS, limit_of
from workflow_templates.kubernetes_api import Cluster, ClusterError, Object
from workflow_templates.object_store import Store, StoreError
from workflow_templates.protocol.api_path import api_path

_CONTENT_TYPE = "application/gzip"
#: Of what went wrong, as much as a person reads; the index has all.
_NAMED = 3


class NothingError(Exception):
    """There is no log to hand over; the message says what was looked for."""


@dataclass
class Collection:
    """What is to be read, and which pods are not."""

    logs: list[Log] = field(default_factory=list)
    #: Namespace, pod and why.
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    #: Pods that went since the job was submitted are missed, those on other nodes are not.
    missed: list[str] = field(default_factory=list)

    def add(self, request: ArchiveRequest, namespace: str, name: str, pod: Object | None) -> None:
        if pod is None:
            self.left_out.append((namespace, name, "is gone since the job was submitted"))
            self.missed.append(f"pod {name} is gone since the job was submitted")
        elif why := request.leaves_out(pod["spec"].get("nodeName") or ""):
            self.left_out.append((namespace, name, why))
        else:
            self.logs += of_pod(pod)

    def unread(self) -> list[str]:
        return self.missed + [f"{log.whose}: {log.why}" for log in self.logs if log.error]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--scratch-mebibytes", type=int, required=True)
    parser.add_argument("--request", type=Path, default=Path("/etc/opsjob/dumplog.json"))
    parser.add_argument("--spool", type=Path, default=Path("/spool"))
    parser.add_argument("--outputs", type=Path, default=Path("/tmp"))  # noqa: S108 - the pod's own
    given = parser.parse_args()
    store: Store | None = None
    try:
        with sigterm.raising():
            request, cluster, store = ArchiveRequest.read(given.request), Cluster.in_pod(), Store.in_pod()
            budget, limit = RetryBudget(cluster.patience), limit_of(given.scratch_mebibytes << 20)
            reader = Reader(cluster, given.spool, limit, budget)
            nodes = NodeLogs(cluster, given.spool, limit // len(KINDS), budget)
            outputs = dump(given.job, request, store, reader, nodes)
    except sigterm.StoppedError:
        step_output.write_termination_message(
            f"stopped; {left_of(store) or 'nothing of the archive is in the object store'}"
        )
        return sigterm.EXIT_STOPPED
    except (NothingError, ClusterError, StoreError, OSError) as fault:
        step_output.write_termination_message("; ".join(filter(None, [str(fault), left_of(store)])))
        return 1
    for name, value in outputs.items():
        (given.outputs / name).write_text(value, encoding="utf-8")
    return 0


def left_of(store: Store | None) -> str:
    """What is in the store although the step did not end well; empty: nothing."""
    return store.left if store else ""


def dump(job: str, request: ArchiveRequest, store: Store, reader: Reader, nodes: NodeLogs) -> dict[str, str]:
    """Collect, archive, upload; returns the job's outputs and the note on what is missing.

    Raises:
        NothingError: nothing could be read.
        StoreError: the archive is not in the store; `store.left` says what is left of it.
    """
    begun = time.monotonic()
    found = collect(request, reader.cluster)
    key = f"dumplog/{request.name}/{job}.tar.gz"
    with store.upload(key, _CONTENT_TYPE) as file:
        archive = Archive(file)
        write(found, request, reader, archive)
        write_nodes(nodes, job, request, archive)
        if not any(log.file for log in found.logs) and not any(log.file for log in nodes.found):
            raise NothingError(f"none of the {len(found.logs)} logs could be read: {_listed(found.unread())}")
        archive.add_text("index.json", index(job, request, found, nodes))
        archive.close()
    size = sum(log.bytes for log in found.logs) + sum(log.bytes for log in nodes.found)
    megabytes, peak = size / 1e6, getrusage(RUSAGE_SELF).ru_maxrss // 1024
    step_output.log(
        f"{megabytes:.1f} MB of logs in {time.monotonic() - begun:.1f} s, with at most {peak} MiB of memory"
    )
    return {"endpoint": store.presigned(key), "log": store.address(key), "note": note(found, nodes)}


def collect(request: ArchiveRequest, cluster: Cluster) -> Collection:
    """Look at each pod as it is now. Raises NothingError where none is left to read."""
    found = Collection()
    with ThreadPoolExecutor(READERS) as pool:
        pods = pool.map(lambda pod: cluster.get(api_path("v1", "pods", namespace=pod[0], name=pod[1])), request.pods)
        for (namespace, name), pod in zip(request.pods, pods, strict=True):
            found.add(request, namespace, name, pod)
    if not found.logs:
        why = "; ".join(f"pod {pod} {why}" for _, pod, why in found.left_out[:_NAMED])
        raise NothingError(f"there is no pod to read logs of: {why or request.looked_for}")
    return found


def write(found: Collection, request: ArchiveRequest, reader: Reader, archive: Archive) -> None:
    """Read all logs into the archive, as they come."""
    several = len({workload.namespace for workload in request.workloads}) > 1
    for spool in reader.read_all(found.logs):
        log = spool.log
        if spool.size or not log.error:
            name = log.name_of(spool.part)
            file = f"{log.namespace}/{name}" if several else name
            archive.add(file, spool.size, spool.pieces)
            if spool.part == 1:
                log.file = file
            else:
                log.further.append(file)
        step_output.log(f"{log.whose}: {log.error or f'{spool.size} bytes'}")
        spool.drop()


def write_nodes(nodes: NodeLogs, job: str, request: ArchiveRequest, archive: Archive) -> None:
    """The same with the logs of the nodes, where these are wanted."""
    for spool in nodes.read_all(job, request.node_logs):
        log = spool.log
        if log.bytes or not log.error:
            log.file = log.name
            archive.add(log.file, log.bytes, spool.pieces)
        step_output.log(f"{log.kind} of node {log.node}: {log.error or f'{log.bytes} bytes'}")
        spool.drop()


def index(job: str, request: ArchiveRequest, found: Collection, nodes: NodeLogs) -> str:
    described = {
        "jobId": job,
        "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "workloads": [{"namespace": workload.namespace, "name": workload.name} for workload in request.workloads],
        "logs": [log.entry() for log in found.logs],
        "nodeLogs": [log.entry() for log in sorted(nodes.found, key=lambda log: (log.node, log.kind))],
        "leftOut": [{"namespace": namespace, "pod": pod, "why": why} for namespace, pod, why in found.left_out],
    }
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def note(found: Collection, nodes: NodeLogs) -> str:
    """What the job's last condition says beside that it finished; empty: everything is there."""
    sentences = []
    if unread := found.unread():
        every = len(found.logs) + len(found.missed)
        sentences.append(f"{len(unread)} of {every} logs are not, or not wholly, in it: {_listed(unread)}")
    if unread := nodes.unread():
        sentences.append(f"logs of nodes are not, or not wholly, in it: {_listed(unread)}")
    return "; ".join(sentences)


def _listed(sentences: Sequence[str]) -> str:
    beyond = len(sentences) - _NAMED
    return "; ".join(sentences[:_NAMED]) + (f"; and {beyond} more" if beyond > 0 else "")


if __name__ == "__main__":
    sys.exit(main())

"""What is kept of a job's output once its pods are gone: which pods there were, and where of each the rest lies.

Packs are objects of gzip members, each a piece of one pod's output: lines as the kubelet hands them out, each behind
its time, but masked. An index says which bytes of which pack are whose; it is written last.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from service.domain.step_pod import StepPod

_VERSION = 1


class BadIndexError(ValueError):
    """It is no index that this service wrote."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a pack: what one pod wrote, in gzip members one after another."""

    pod: str
    pack: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class OutputIndex:
    pods: tuple[StepPod, ...]
    #: In order. Of a pod without one nothing is kept: it could not be read, or what came after it was too much.
    parts: tuple[Part, ...]
    packs: int

    def to_json(self) -> bytes:
        pods = [asdict(pod) for pod in self.pods]
        parts = [asdict(part) for part in self.parts]
        found = {"version": _VERSION, "pods": pods, "parts": parts, "packs": self.packs}
        return json.dumps(found, separators=(",", ":")).encode()

    @classmethod
    def of(cls, content: bytes) -> "OutputIndex":
        """Raises BadIndexError."""
        try:
            found: dict[str, Any] = json.loads(content)
            if found["version"] != _VERSION:
                raise BadIndexError(f"an index of version {found['version']}")
            pods = tuple(StepPod(**{**pod, "nodes": tuple(pod["nodes"])}) for pod in found["pods"])
            parts = tuple(Part(**part) for part in found["parts"])
            return cls(pods, parts, int(found["packs"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadIndexError(str(error)) from error

    def parts_of(self, pod: str) -> Sequence[Part]:
        return [part for part in self.parts if part.pod == pod]


def index_key(job_id: str) -> str:
    """Its key in the object store, by the job's id alone."""
    return f"output/{job_id}/index.json"


def pack_key(job_id: str, number: int) -> str:
    """The key of one of its packs, which are counted from 0."""
    return f"output/{job_id}/{number}.gz"

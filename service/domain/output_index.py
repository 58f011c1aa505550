"""What is kept of a job's output once its pods are gone: which pods there were, and where of each the rest lies.

Packs are objects of gzip members, each a piece of one pod's output: lines as the kubelet hands them out, each behind
its time, but masked. An index says which bytes of which pack are whose; it is written last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from service.domain.step_pod import StepPod

#: More than a job's packs are, by number and bytes. What lies in the store may be another's: nothing is read, nor
#: removed, beyond it.
MOST_PACKS = 256
_MOST_OF_A_PACK = 64 * 2**20


class BadIndexError(ValueError):
    """It is no index that this service wrote."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a pack: what one pod wrote, in gzip members one after another."""

    pod: str
    pack: Annotated[int, Field(ge=0, lt=MOST_PACKS)]
    offset: Annotated[int, Field(ge=0, lt=_MOST_OF_A_PACK)]
    length: Annotated[int, Field(gt=0, lt=_MOST_OF_A_PACK)]


@dataclass(frozen=True, slots=True)
class OutputIndex:
    pods: tuple[StepPod, ...]
    #: In order. Of a pod without one nothing is kept: it could not be read, or what came after it was too much.
    parts: tuple[Part, ...]
    packs: Annotated[int, Field(ge=0, le=MOST_PACKS)]
    version: Literal[1] = 1

    def to_json(self) -> bytes:
        return _index.dump_json(self)

    @classmethod
    def of(cls, content: bytes) -> "OutputIndex":
        """Raises BadIndexError."""
        try:
            return _index.validate_json(content, strict=True)
        except ValidationError as error:
            raise BadIndexError(str(error.errors(include_input=False, include_url=False)[0])) from error

    def parts_of(self, pod: str) -> Sequence[Part]:
        return [part for part in self.parts if part.pod == pod]


_index = TypeAdapter(OutputIndex)


def index_key(job_id: str) -> str:
    """Its key in the object store, by the job's id alone."""
    return f"output/{job_id}/index.json"


def pack_key(job_id: str, number: int) -> str:
    """The key of one of its packs, which are counted from 0."""
    return f"output/{job_id}/{number}.gz"

"""What a job left behind, as files by name (contract: GET /{id}/outputs/{name})."""

from collections.abc import Mapping

from service.domain.job import Job, JobType
from service.domain.job_types.registry import traits_of
from service.domain.job_types.traits import OutputFile


def output_files(job_type: JobType) -> Mapping[str, OutputFile]:
    """The files that a job of a type may leave, by their names."""
    return traits_of(job_type).files


def value(job: Job, file: OutputFile) -> str:
    """The file's text, or its address in the object store; empty: it is not there, or not yet."""
    found = next((output.value for output in job.outputs if output.name == file.output), "")
    if file.ending is None or not found:
        return found
    old, new = file.ending
    return found.removesuffix(old) + new if found.endswith(old) else ""


def is_of(job: Job, key: str) -> bool:
    """Whether a key of the object store is one that a step of this job makes: outputs are what steps reported."""
    kind, *rest = key.split("/")
    return kind == job.type and any(part.partition(".")[0] == job.job_id for part in rest)

"""What a job left behind, as files by name (contract: GET /{id}/outputs/{name})."""

from dataclasses import dataclass

from service.domain.job import Job, JobType


@dataclass(frozen=True, slots=True)
class OutputFile:
    file_name: str
    media_type: str
    #: The output of the job that is it, or names where it is.
    output: str
    #: It is in the object store, with that at the end of its address in the place of what the output's ends with; None:
    #: the output itself is the text.
    ending: tuple[str, str] | None = None


#: Job type → name → what it is.
_FILES: dict[JobType, dict[str, OutputFile]] = {
    JobType.ADDON: {"report": OutputFile("report.json", "application/json", "report")},
    JobType.REBOOT: {"report": OutputFile("report.json", "application/json", "report")},
    JobType.PREFLIGHT: {
        "report": OutputFile("report.json", "application/json", "report", ("", "")),
        "junit": OutputFile("junit.xml", "application/xml", "report", ("report.json", "junit.xml")),
        "picture": OutputFile("matrix.svg", "image/svg+xml", "report", ("report.json", "matrix.svg")),
    },
    JobType.DUMPLOG: {"archive": OutputFile("logs.tar.gz", "application/gzip", "log", ("", ""))},
}


def output_files(job_type: JobType) -> dict[str, OutputFile]:
    """The files that a job of a type may leave, by their names."""
    return _FILES.get(job_type, {})


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

"""A step that succeeded may say what is still worth knowing: in the last condition, not among the outputs."""

import pytest

from service.domain.job import Job, JobType
from service.domain.phase import observe
from tests.unit.domain.argo import at, job, workflow


def ended(phase: str, **outputs: str) -> Job:
    return observe(job(job_type=JobType.DUMPLOG), workflow(phase=phase, outputs=outputs), at(99))


def test_a_note_is_said_with_the_success() -> None:
    observed = ended("Succeeded", log="s3://ops/x", note="1 of 9 logs is not in it")
    assert observed.conditions[-1].message == "job finished successfully; 1 of 9 logs is not in it"
    assert [output.name for output in observed.outputs] == ["log"]


@pytest.mark.parametrize("outputs", [{}, {"note": ""}])
def test_without_one_the_document_s_words_stand(outputs: dict[str, str]) -> None:
    assert ended("Succeeded", **outputs).conditions[-1].message == "job finished successfully"


def test_a_step_that_failed_has_no_empty_outputs() -> None:
    assert ended("Failed", endpoint="", log="").outputs == ()

"""With what a job's output is masked: its Secret's values (contract: Following a job)."""

from service.domain.job import Job
from service.domain.masked_lines import Masking, TooManyValuesError
from service.domain.secret_values import MASK
from service.jobs.ports import StepOutput


class NotMaskableError(Exception):
    """It is not known what must not be seen: the output is neither shown nor stored. The message says why."""


async def masking_of(source: StepOutput, job: Job) -> Masking:
    """By the environment that the job's Secret holds: only the checks of a preflight job have one.

    Raises:
        NotMaskableError: it is gone, or is too much.
        UnavailableError: Kubernetes is away.
    """
    recorded = job.options.get("env") or {}
    if not recorded:
        return Masking()
    secret = await source.secret_values(job.job_id)
    if secret is not None:
        try:
            return Masking.of(secret, recorded)
        except TooManyValuesError as error:
            raise NotMaskableError(str(error)) from error
    if MASK in recorded.values():
        raise NotMaskableError("its environment is gone, and with it what of its output must be masked")
    return Masking()

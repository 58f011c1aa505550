"""All job types by their names: the module of `reboot` is reboot_jobs.py beside this, which has its TRAITS."""

from collections.abc import Mapping
from importlib import import_module

from service.domain.job import JobType
from service.domain.job_types.traits import Traits

_TRAITS: Mapping[JobType, Traits] = {
    job_type: import_module(f"{__package__}.{job_type}_jobs").TRAITS for job_type in JobType
}
#: Types with a rollout, in words.
WITH_ROLLOUT = " and ".join(job_type for job_type, traits in _TRAITS.items() if traits.has_rollout)


def traits_of(job_type: JobType) -> Traits:
    return _TRAITS[job_type]

"""A job as Kubernetes objects: pure functions, so that what is created can be read in a test."""

import re
from collections.abc import Mapping
from typing import Any

from service.domain.job import Job
from service.domain.job_types.registry import traits_of
from service.kube.client import KubeSettings, Object
from workflow_templates.protocol import check_pods, labels

API_VERSION = "argoproj.io/v1alpha1"
#: Of several addon templates the first must do, so that the rest of the line is there too.
_SUBJECT_CHARACTERS = 80


def workflow(job: Job, settings: KubeSettings) -> Object:
    """The Workflow of a job: named by its id, run by its template, held by our finalizer until it is recorded."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Workflow",
        "metadata": {
            "name": job.job_id,
            "namespace": settings.jobs_namespace,
            "labels": {
                labels.JOB_ID: job.job_id,
                labels.JOB_TYPE: job.type.value,
                # Argo's UI filters by it; Argo itself writes it from 4.1 on.
                labels.ARGO_TEMPLATE: job.template,
            },
            "annotations": {
                labels.ARGO_DESCRIPTION: _plain(_description(job)),
                **_steering(job),
            },
            "finalizers": [labels.RECORD_FINALIZER],
        },
        "spec": {
            "workflowTemplateRef": {"name": job.template},
            "arguments": _arguments(job),
            "ttlStrategy": {"secondsAfterCompletion": _ttl_seconds(job, settings)},
            **_deadline(job),
            **_parallelism(job),
        },
    }


def files(job: Job, owner_uid: str, settings: KubeSettings, check_owner_uid: str = "") -> Object | None:
    """The ConfigMap of the files for a job's steps, gone with its Workflow; None: it has none.

    `check_owner_uid`: what is to own the pods that its steps make in the namespace of the checks.
    """
    texts = dict(job.work.get("files") or {})
    if has_checks(job):
        texts = {name: text for name, text in texts.items() if name not in check_pods.FILES}
        texts[check_pods.OWNER_FILE] = check_owner_uid
    if not texts:
        return None
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": job.job_id,
            "namespace": settings.jobs_namespace,
            "labels": {labels.JOB_ID: job.job_id, labels.JOB_TYPE: job.type.value},
            "ownerReferences": [owner(job, owner_uid)],
        },
        "data": texts,
        "immutable": True,
    }


def has_checks(job: Job) -> bool:
    """Whether it makes pods in the namespace of the checks."""
    return check_pods.REQUEST_FILE in (job.work.get("files") or {})


def check_files(job: Job, settings: KubeSettings) -> Object:
    """The ConfigMap of the files for a job's checks."""
    texts = job.work.get("files") or {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _of_checks(job, settings),
        "data": {name: texts[name] for name in check_pods.FILES},
        "immutable": True,
    }


def check_owner(job: Job, uid: str) -> Object:
    """What makes Kubernetes delete an object with that ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": job.job_id, "uid": uid}


def _of_checks(job: Job, settings: KubeSettings) -> Object:
    return {
        "name": job.job_id,
        "namespace": settings.checks_namespace,
        "labels": {labels.JOB_ID: job.job_id, labels.JOB_TYPE: job.type.value},
    }


def secret(job: Job, values: Mapping[str, str], settings: KubeSettings) -> Object:
    """The Secret of a job's environment; it is made before the files that will own it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _of_checks(job, settings),
        "stringData": dict(values),
        "immutable": True,
    }


def owner(job: Job, uid: str) -> Object:
    """What makes Kubernetes delete an object with the job's Workflow."""
    return {"apiVersion": API_VERSION, "kind": "Workflow", "name": job.job_id, "uid": uid, "controller": True}


def _steering(job: Job) -> dict[str, str]:
    """What a person said of it before the Workflow was there."""
    said = job.steered.annotations if job.steered else {}
    return {key: value for key, value in said.items() if value is not None}


def _arguments(job: Job) -> dict[str, list[dict[str, str]]]:
    """Without an empty list: Argo would drop it when it writes the Workflow, and our spec may not be changed."""
    parameters = [{"name": name, "value": value} for name, value in job.work.get("parameters", {}).items()]
    return {"parameters": parameters} if parameters else {}


def _ttl_seconds(job: Job, settings: KubeSettings) -> int:
    """Contract: ttlSecondsAfterFinished."""
    asked = job.options.get("ttlSecondsAfterFinished") or 0
    return asked if asked > 0 else settings.default_ttl_seconds


def _deadline(job: Job) -> dict[str, Any]:
    """Contract: timeoutSecond, ≤ 0 is none. Argo counts it from the start of the Workflow."""
    return {"activeDeadlineSeconds": job.timeout_second} if job.timeout_second > 0 else {}


def _parallelism(job: Job) -> dict[str, Any]:
    at_once = job.work.get("parallelism") or traits_of(job.type).pods_at_once(job.options)
    return {"parallelism": at_once} if at_once else {}


def _description(job: Job) -> str:
    """What tells it from others first: Argo's list shows little more than twenty characters, below the job's id."""
    subject = traits_of(job.type).subject(job)
    what = f" {subject[:_SUBJECT_CHARACTERS]}" if subject else ""
    planned = len(job.plan.nodes)
    where = f" on {planned} node{'' if planned == 1 else 's'}" if planned else ""
    return f"{job.type.value}{what}{where}: {job.job_name}, submitted by {job.user_name}"


def _plain(text: str) -> str:
    """Text for Argo's UI, which renders Markdown; without braces, which the controller would take for a template."""
    flat = " ".join(re.sub(r"[{}\[\]<>`\\]", " ", text).split())
    return flat[:253]

"""The WorkflowTemplate of reboot jobs, authored with Hera."""

import json
from typing import Any

from hera.workflows import Container, Parameter, Step, Steps, WorkflowTemplate, models

from workflow_templates.protocol import labels
from workflow_templates.template_parts import (
    ON_HOST,
    POD_SECURITY,
    RESTRICTED,
    container,
    finish,
    job_id,
    pod_metadata,
    retry_strategy,
    scratch,
    scratch_volume,
)

DESCRIPTION = "Drains and reboots the planned nodes one after another, and ends at one that does not come back."

_NODE = "{{inputs.parameters.node}}"
COME_BACK_SECONDS = "{{workflow.parameters.come-back-seconds}}"
_BOOT_ID = "{{steps.note-boot-id.outputs.parameters.boot-id}}"

PARAMETERS = (
    "nodes",
    "evict-seconds",
    "evict-unmanaged",
    "delete-emptydir-data",
    "kept-namespaces",
    "come-back-seconds",
)

WHO_MUST_GO = (
    "--unmanaged={{workflow.parameters.evict-unmanaged}}",
    "--empty-dir={{workflow.parameters.delete-emptydir-data}}",
    "--kept={{workflow.parameters.kept-namespaces}}",
)

#: From its start on the node to its end; a node that cannot even start it cannot be told to reboot.
_TELLING_SECONDS = 600

#: Anywhere but on the node that goes down, where there is another: required, a cluster of one node could not reboot.
_ELSEWHERE = models.Affinity(
    node_affinity=models.NodeAffinity(
        preferred_during_scheduling_ignored_during_execution=[
            models.PreferredSchedulingTerm(
                weight=100,
                preference=models.NodeSelectorTerm(
                    match_fields=[models.NodeSelectorRequirement(key="metadata.name", operator="NotIn", values=[_NODE])]
                ),
            )
        ]
    )
)

#: A node whose pods have no network is NotReady, and to be rebooted all the same.
_IN_THE_HOSTS_NETWORK = json.dumps({"hostPID": True, "hostNetwork": True})

#: Stages whose code is not called like them, because other modules are.
_MODULES = {
    "lease": "lock_node",
    "cordon": "cordon_node",
    "wait": "wait_for_boot",
    "restore": "restore_cordon",
    "begin": "begin_reboot",
    "end": "end_reboot",
    "release": "release_node",
}

#: The clean-up waits for the end of pods that carry it.
LABELS = {labels.STEP: labels.STEP_NODE}


def build() -> WorkflowTemplate:
    """A loop over the planned nodes, one at a time; each goes through the stages of the contract, a pod for each."""
    with WorkflowTemplate(
        name="opsjob-reboot",
        entrypoint="one-after-another",
        on_exit="finish",
        service_account_name="opsjob-reboot",
        arguments=[Parameter(name=name) for name in PARAMETERS],
        volumes=[
            models.Volume(name="files", config_map=models.ConfigMapVolumeSource(name=job_id())),
            scratch_volume(),
        ],
        pod_metadata=pod_metadata(),
        security_context=POD_SECURITY,
    ) as template:
        node = _node()
        # A failed node ends the loop (failFast), and with one at a time no other has been begun by then.
        with Steps(name="one-after-another", parallelism=1, fail_fast=True):
            Step(
                name="node",
                template=node,
                arguments=[Parameter(name="node", value="{{item}}")],
                with_param="{{workflow.parameters.nodes}}",
            )
        finish(clean_up())
    return template


def clean_up() -> Container:
    """The last step, whatever ended the job."""
    return container(
        name="clean-up",
        command=["python3", "-m", "workflow_templates.reboot.reboot_clean_up"],
        args=["--job", job_id(), f"--come-back-seconds={COME_BACK_SECONDS}"],
        retry_strategy=retry_strategy(60),
        **RESTRICTED,
    )


def _node() -> Steps:
    stages = [
        stage_elsewhere("lease", cap_seconds=60),
        stage_elsewhere("cordon"),
        _evict(),
        stage_elsewhere("note-boot-id", outputs=[noted("boot-id")]),
        stage_on_host(),
        _wait(),
        stage_elsewhere("restore"),
        stage_elsewhere("release"),
    ]
    with Steps(name="node", inputs=[Parameter(name="node")]) as node:
        for stage in stages:
            given = [Parameter(name="node", value=_NODE), *_given(stage)]
            # Whether the node reboots is for the next stage to find out, whatever became of the pod that told it to.
            ignored = models.ContinueOn(failed=True, error=True) if stage.name == "reboot" else None
            Step(name=stage.name, template=stage, arguments=given, continue_on=ignored)
    return node


def _given(stage: Container) -> list[Parameter]:
    """What earlier stages found out, where a stage asks for it."""
    asked = {parameter.name for parameter in stage.inputs}
    return [Parameter(name="boot-id", value=_BOOT_ID)] if "boot-id" in asked else []


def stage_elsewhere(
    name: str, *arguments: str, asks: tuple[str, ...] = (), cap_seconds: int = 30, **fields: Any
) -> Container:
    """A stage that only speaks to the Kubernetes API, elsewhere."""
    return container(
        name=name,
        inputs=[Parameter(name="node"), *(Parameter(name=asked) for asked in asks)],
        command=["python3", "-m", f"workflow_templates.reboot.{_MODULES.get(name, name.replace('-', '_'))}"],
        args=[f"--job={job_id()}", f"--node={_NODE}", *arguments],
        labels=LABELS,
        affinity=_ELSEWHERE,
        retry_strategy=retry_strategy(cap_seconds),
        **RESTRICTED | fields,
    )


def _evict() -> Container:
    return stage_elsewhere(
        "evict",
        "--seconds={{workflow.parameters.evict-seconds}}",
        *WHO_MUST_GO,
        outputs=[output("evicted", "/tmp/evicted.json")],  # noqa: S108 - the pod's own
    )


def stage_on_host() -> Container:
    """The one stage on the node itself, and the one that is never repeated."""
    return container(
        name="reboot",
        inputs=[Parameter(name="node"), Parameter(name="boot-id")],
        command=["python3", "-m", "workflow_templates.reboot.signal_reboot"],
        args=[
            f"--job={job_id()}",
            f"--node={_NODE}",
            "--boot-id={{inputs.parameters.boot-id}}",
            f"--come-back-seconds={COME_BACK_SECONDS}",
            *WHO_MUST_GO,
        ],
        outputs=[output("evicted", "/tmp/evicted.json")],  # noqa: S108 - the pod's own
        active_deadline_seconds=_TELLING_SECONDS,
        labels=LABELS,
        volume_mounts=[models.VolumeMount(name="files", mount_path="/etc/opsjob", read_only=True), scratch()],
        **ON_HOST | {"pod_spec_patch": _IN_THE_HOSTS_NETWORK},
    )


def _wait() -> Container:
    return stage_elsewhere(
        "wait",
        "--boot-id={{inputs.parameters.boot-id}}",
        f"--come-back-seconds={COME_BACK_SECONDS}",
        asks=("boot-id",),
        outputs=[output("outcome", "/tmp/outcome.json")],  # noqa: S108 - the pod's own
    )


def noted(name: str) -> Parameter:
    """What a later stage needs: without it the stage that was to note it has failed."""
    return Parameter(name=name, value_from=models.ValueFrom(path=f"/tmp/{name}"))  # noqa: S108 - the pod's own


def output(name: str, path: str) -> Parameter:
    return Parameter(name=name, value_from=models.ValueFrom(path=path, default=""))

"""Running a job's addon templates on one host, in their order."""

import json
from dataclasses import dataclass
from pathlib import Path

from workflow_templates import step_output
from workflow_templates.addon.node_outcome import Outcome, Result, TemplateOutcome
from workflow_templates.gpu import has_gpu
from workflow_templates.host import Host, HostError, Ran
from workflow_templates.kubernetes_api import Object
from workflow_templates.sigterm import StoppedError


@dataclass(frozen=True, slots=True)
class Addon:
    """One addon template as it was snapshotted at submission (contract: addon)."""

    name: str
    script: str
    check: str | None
    required: bool
    gpu_vendor: str | None
    shell: str
    timeout_second: int | None


def read(snapshot: Path) -> list[Addon]:
    """The snapshot that the service mounted into this pod."""
    return [
        Addon(
            name=entry["name"],
            script=entry["script"],
            check=entry.get("check"),
            required=entry.get("required", True),
            gpu_vendor=entry.get("gpuVendor"),
            shell=entry.get("shell") or "/bin/sh",
            timeout_second=entry.get("timeoutSecond"),
        )
        for entry in json.loads(snapshot.read_bytes())["templates"]
    ]


def run_all(addons: list[Addon], host: Host, node: Object, outcome: Outcome) -> None:
    """Run them in order, noting each in `outcome`. The first failure of a required one ends the node."""
    tolerated = []
    for index, addon in enumerate(addons):
        try:
            done = _run(addon, f"{index:03d}", host, node)
        except StoppedError:
            outcome.templates.append(TemplateOutcome(addon.name, "failed", "was stopped"))
            raise
        outcome.templates.append(done)
        step_output.log(f"addon template {addon.name}: {done.result}, {done.message}")
        if done.result != "failed":
            continue
        if addon.required:
            outcome.fail(_with_last_line(f"addon template {addon.name} {done.message}", done.lastLines))
            return
        tolerated.append(addon.name)
    if tolerated:
        outcome.message = f"done, but for addon templates that are not required and failed: {', '.join(tolerated)}"


def _run(addon: Addon, prefix: str, host: Host, node: Object) -> TemplateOutcome:
    if addon.gpu_vendor and not has_gpu(node, addon.gpu_vendor):
        return TemplateOutcome(addon.name, "skipped", f"the node has no GPU of {addon.gpu_vendor}")
    try:
        if addon.check is not None and _execute(addon, f"{prefix}-check", addon.check, host).succeeded:
            return TemplateOutcome(addon.name, "skipped", "already in place")
        ran = _execute(addon, f"{prefix}-script", addon.script, host)
    except HostError as fault:
        return TemplateOutcome(addon.name, "failed", str(fault))
    result: Result = "succeeded" if ran.succeeded else "failed"
    return TemplateOutcome(addon.name, result, ran.ending, ran.exit_code, ran.last_lines)


def _execute(addon: Addon, name: str, script: str, host: Host) -> Ran:
    step_output.write_interim_message(f"addon template {addon.name} was being run")
    step_output.log(f"addon template {addon.name}: running its {name.partition('-')[2]}")
    return host.run(name, script, addon.shell, addon.timeout_second)


def _with_last_line(sentence: str, last_lines: str) -> str:
    line = last_lines.rstrip().rpartition("\n")[2].strip()
    return f"{sentence}: {line}" if line else sentence

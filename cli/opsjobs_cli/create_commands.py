"""opsjobs addon, preflight, dumplog, reboot, exportimage, apply: the commands that make jobs."""

from typing import Annotated, Any

import typer

from opsjobs_cli import flags, job_body, rollout_flags, suggestions
from opsjobs_cli.complaints import UsageError
from opsjobs_cli.session import Session
from opsjobs_cli.submission import How, submit


def addon(  # noqa: PLR0913  # a command line has as many options as the API has fields
    session: Session,
    *,
    template: Annotated[
        list[str] | None,
        typer.Option(
            "--template",
            "-t",
            metavar="NAME",
            help="An AddonTemplate; several run in this order.",
            autocompletion=suggestions.addon_templates,
        ),
    ] = None,
    node_template: Annotated[
        list[str] | None,
        typer.Option(
            "--node-template", metavar="NAME", help="A NodeTemplate.", autocompletion=suggestions.node_templates
        ),
    ] = None,
    node: flags.Nodes = None,
    selector: flags.Selectors = None,
    workspace: flags.Workspaces = None,
    workload: flags.Workloads = None,
    cluster: flags.Clusters = None,
    exclude_node: flags.ExcludedNodes = None,
    tolerate_all: flags.TolerateAll = False,
    batch_count: Annotated[
        int | None, typer.Option("--batch-count", metavar="N", help="Nodes in work at a time (default 1).")
    ] = None,
    available_ratio: Annotated[
        float | None,
        typer.Option("--available-ratio", metavar="R", help="The part that must succeed, above 0 to 1 (default 1)."),
    ] = None,
    security_upgrade: Annotated[
        bool, typer.Option("--security-upgrade", help="Wait until no workload runs on a node.")
    ] = False,
    max_unavailable: rollout_flags.MaxUnavailable = None,
    failure_limit: rollout_flags.FailureLimit = None,
    on_failure: rollout_flags.OnFailure = None,
    phase: rollout_flags.Phases = None,
    per_group: rollout_flags.PerGroup = None,
    together: rollout_flags.Together = None,
    name: flags.Name = None,
    timeout_seconds: flags.TimeoutSeconds = None,
    ttl_seconds: flags.TtlSeconds = None,
    dry_run: flags.DryRun = False,
    yes: flags.Yes = False,
    expected_plan: flags.ExpectedPlan = None,
    wait: flags.Wait = False,
    follow: flags.Follow = False,
    wait_timeout: flags.WaitTimeout = None,
) -> None:
    """Run scripts as root on nodes, in batches (addon)."""
    given = {
        "template": template, "node_template": node_template, "node": node, "selector": selector,
        "workspace": workspace, "workload": workload, "cluster": cluster,
    }  # fmt: skip
    fields = {
        **_common(timeout_seconds, ttl_seconds, exclude_node, tolerate_all=tolerate_all),
        "batchCount": batch_count,
        "availableRatio": available_ratio,
        "securityUpgrade": security_upgrade,
        "rollout": rollout_flags.rollout(max_unavailable, failure_limit, on_failure, phase, per_group, together),
    }
    how = _how(
        dry_run=dry_run, yes=yes, expected_plan=expected_plan, wait=wait, follow=follow, wait_timeout=wait_timeout
    )
    submit(session, job_body.body("addon", name, given, fields), how)


def preflight(  # noqa: PLR0913  # as above
    session: Session,
    *,
    image: Annotated[str, typer.Option("--image", metavar="IMAGE", help="What the check runs in.")],
    script: Annotated[
        str | None, typer.Option("--script", metavar="FILE", help="What it runs: a shell script (-: standard input).")
    ] = None,
    entry_point: Annotated[
        str | None, typer.Option("--entry-point", metavar="BASE64", help="The same as the API has it, in Base64.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="NAME", help="Hand over this variable of your environment. Repeatable."),
    ] = None,
    env_file: Annotated[
        list[str] | None, typer.Option("--env-file", metavar="FILE", help="Lines of NAME=value. Repeatable.")
    ] = None,
    host_path: Annotated[
        list[str] | None, typer.Option("--host-path", metavar="PATH", help="A path of the node. Repeatable.")
    ] = None,
    cpu: Annotated[str | None, typer.Option(metavar="QUANTITY", help="Like 8 or 500m.")] = None,
    memory: Annotated[str | None, typer.Option(metavar="QUANTITY", help="Like 32Gi.")] = None,
    gpu: Annotated[str | None, typer.Option(metavar="QUANTITY", help="GPUs of each node.")] = None,
    ephemeral_storage: Annotated[str | None, typer.Option("--ephemeral-storage", metavar="QUANTITY")] = None,
    shared_memory: Annotated[
        str | None, typer.Option("--shared-memory", metavar="QUANTITY", help="Shared memory of each pod.")
    ] = None,
    replica: Annotated[int | None, typer.Option(metavar="N", help="On so many of the nodes (default: all).")] = None,
    node: flags.Nodes = None,
    selector: flags.Selectors = None,
    workspace: flags.Workspaces = None,
    workload: flags.Workloads = None,
    cluster: flags.Clusters = None,
    exclude_node: flags.ExcludedNodes = None,
    tolerate_all: flags.TolerateAll = False,
    name: flags.Name = None,
    timeout_seconds: flags.TimeoutSeconds = None,
    ttl_seconds: flags.TtlSeconds = None,
    dry_run: flags.DryRun = False,
    yes: flags.Yes = False,
    expected_plan: flags.ExpectedPlan = None,
    wait: flags.Wait = False,
    follow: flags.Follow = False,
    wait_timeout: flags.WaitTimeout = None,
) -> None:
    """Run a check in one pod a node, on all nodes at once, and write a report (preflight)."""
    if (script is None) == (entry_point is None):
        raise UsageError("what does the check run? Give --script FILE, or --entry-point, and not both")
    given = {"node": node, "selector": selector, "workspace": workspace, "workload": workload, "cluster": cluster}
    resource = {
        "cpu": cpu, "memory": memory, "gpu": gpu, "ephemeralStorage": ephemeral_storage,
        "sharedMemory": shared_memory, "replica": replica,
    }  # fmt: skip
    fields = {
        **_common(timeout_seconds, ttl_seconds, exclude_node, tolerate_all=tolerate_all),
        "image": image,
        "entryPoint": entry_point if script is None else job_body.script(script),
        "env": job_body.environment(env or (), env_file or ()),
        "hostpath": host_path,
        "resource": {name: value for name, value in resource.items() if value is not None},
    }
    how = _how(
        dry_run=dry_run, yes=yes, expected_plan=expected_plan, wait=wait, follow=follow, wait_timeout=wait_timeout
    )
    submit(session, job_body.body("preflight", name, given, fields), how)


def reboot(  # noqa: PLR0913  # as above
    session: Session,
    *,
    node: flags.Nodes = None,
    selector: flags.Selectors = None,
    workspace: flags.Workspaces = None,
    workload: flags.Workloads = None,
    cluster: flags.Clusters = None,
    exclude_node: flags.ExcludedNodes = None,
    tolerate_all: flags.TolerateAll = False,
    max_unavailable: rollout_flags.MaxUnavailable = None,
    failure_limit: rollout_flags.FailureLimit = None,
    on_failure: rollout_flags.OnFailure = None,
    phase: rollout_flags.Phases = None,
    per_group: rollout_flags.PerGroup = None,
    together: rollout_flags.Together = None,
    name: flags.Name = None,
    timeout_seconds: flags.TimeoutSeconds = None,
    ttl_seconds: flags.TtlSeconds = None,
    dry_run: flags.DryRun = False,
    yes: flags.Yes = False,
    expected_plan: flags.ExpectedPlan = None,
    wait: flags.Wait = False,
    follow: flags.Follow = False,
    wait_timeout: flags.WaitTimeout = None,
) -> None:
    """Drain, reboot and give back nodes, one after another or as a rollout says (reboot)."""
    given = {"node": node, "selector": selector, "workspace": workspace, "workload": workload, "cluster": cluster}
    fields = {
        **_common(timeout_seconds, ttl_seconds, exclude_node, tolerate_all=tolerate_all),
        "rollout": rollout_flags.rollout(max_unavailable, failure_limit, on_failure, phase, per_group, together),
    }
    how = _how(
        dry_run=dry_run, yes=yes, expected_plan=expected_plan, wait=wait, follow=follow, wait_timeout=wait_timeout
    )
    submit(session, job_body.body("reboot", name, given, fields), how)


def dumplog(  # noqa: PLR0913  # as above
    session: Session,
    *,
    workload: flags.Workload,
    workspace: flags.Workspaces = None,
    cluster: flags.Clusters = None,
    node: flags.Nodes = None,
    selector: flags.Selectors = None,
    exclude_node: flags.ExcludedNodes = None,
    tolerate_all: flags.TolerateAll = False,
    name: flags.Name = None,
    timeout_seconds: flags.TimeoutSeconds = None,
    ttl_seconds: flags.TtlSeconds = None,
    dry_run: flags.DryRun = False,
    wait: flags.Wait = False,
    follow: flags.Follow = False,
    wait_timeout: flags.WaitTimeout = None,
) -> None:
    """Put all logs of a workload into one archive; opsjobs download gets it (dumplog)."""
    given = {"workload": workload, "workspace": workspace, "cluster": cluster, "node": node, "selector": selector}
    fields = _common(timeout_seconds, ttl_seconds, exclude_node, tolerate_all=tolerate_all)
    how = _how(dry_run=dry_run, yes=True, wait=wait, follow=follow, wait_timeout=wait_timeout)
    submit(session, job_body.body("dumplog", name, given, fields), how)


def exportimage(  # noqa: PLR0913  # as above
    session: Session,
    *,
    workload: flags.Workload,
    workspace: flags.Workspaces = None,
    cluster: flags.Clusters = None,
    node: flags.Nodes = None,
    selector: flags.Selectors = None,
    exclude_node: flags.ExcludedNodes = None,
    tolerate_all: flags.TolerateAll = False,
    name: flags.Name = None,
    timeout_seconds: flags.TimeoutSeconds = None,
    ttl_seconds: flags.TtlSeconds = None,
    dry_run: flags.DryRun = False,
    wait: flags.Wait = False,
    follow: flags.Follow = False,
    wait_timeout: flags.WaitTimeout = None,
) -> None:
    """Copy the image that a workload runs into the team's registry (exportimage)."""
    given = {"workload": workload, "workspace": workspace, "cluster": cluster, "node": node, "selector": selector}
    fields = _common(timeout_seconds, ttl_seconds, exclude_node, tolerate_all=tolerate_all)
    how = _how(dry_run=dry_run, yes=True, wait=wait, follow=follow, wait_timeout=wait_timeout)
    submit(session, job_body.body("exportimage", name, given, fields), how)


def apply(  # noqa: PLR0913  # as above
    session: Session,
    *,
    file: Annotated[str, typer.Option("--file", "-f", metavar="FILE", help="JSON or YAML (-: standard input).")],
    dry_run: flags.DryRun = False,
    yes: flags.Yes = False,
    expected_plan: flags.ExpectedPlan = None,
    wait: flags.Wait = False,
    follow: flags.Follow = False,
    wait_timeout: flags.WaitTimeout = None,
) -> None:
    """Submit the jobs of a file, each as the API has it, in their order."""
    bodies = job_body.documents(file)
    how = _how(
        dry_run=dry_run, yes=yes, expected_plan=expected_plan, wait=wait, follow=follow, wait_timeout=wait_timeout
    )
    if len(bodies) > 1 and (how.wait or how.follow or how.expected_plan):
        raise UsageError(f"{file} holds {len(bodies)} jobs: --wait, --follow and --expected-plan are for one")
    for body in bodies:
        submit(session, body, how)


def _common(
    timeout_seconds: int | None, ttl_seconds: int | None, exclude_node: list[str] | None, *, tolerate_all: bool
) -> dict[str, Any]:
    return {
        "timeoutSecond": timeout_seconds,
        "ttlSecondsAfterFinished": ttl_seconds,
        "excludedNodes": exclude_node,
        "isTolerateAll": tolerate_all,
    }


def _how(  # noqa: PLR0913  # one for each option
    *,
    dry_run: bool,
    yes: bool,
    wait: bool,
    follow: bool,
    wait_timeout: float | None,
    expected_plan: str | None = None,
) -> How:
    return How(dry_run, yes, expected_plan, wait or wait_timeout is not None, follow, wait_timeout)

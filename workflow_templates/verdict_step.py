"""A step whose exit code is a verdict on the whole job: what the steps that give one have in common."""

import argparse
from collections.abc import Callable
from pathlib import Path

from workflow_templates import step_output
from workflow_templates.kubernetes_api import ClusterError, UnavailableError
from workflow_templates.protocol import exit_codes
from workflow_templates.protocol.rollout import FILE


def parser(description: str | None) -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--job", required=True)
    arguments.add_argument("--rollout", type=Path, default=Path("/etc/opsjob") / FILE)
    return arguments


def end(decide: Callable[[], str], *, well: str, later: str, unknown: str) -> int:
    """Decide, and return the exit code for Argo; the termination message says why.

    Args:
        decide: Returns why the job fails; empty: it does not.
        well: What is said where it does not.
        later: What is said, with the cause, while the Kubernetes API is away: the step is repeated.
        unknown: What is said, with the cause, where it cannot be decided: the job fails.
    """
    try:
        why = decide()
    except UnavailableError as fault:
        step_output.write_termination_message(f"{later}: {fault}")
        return exit_codes.WAITING
    except (ClusterError, LookupError) as fault:
        why = f"{unknown}: {fault}"
    step_output.write_termination_message(why or well)
    return exit_codes.FAILED if why else 0

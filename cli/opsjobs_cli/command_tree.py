"""All commands of `opsjobs`, in the order in which help shows them."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from opsjobs_cli import (
    context_commands,
    create_commands,
    exit_status,
    job_commands,
    output_commands,
    rollout_commands,
    service_commands,
    support_bundle,
    versions,
)
from opsjobs_cli.session import with_session

#: No rich in help: it would be read as markup, and takes longer to import than all the rest.
_SETTINGS = {"rich_markup_mode": None, "pretty_exceptions_enable": False}


def _version(wanted: bool) -> None:  # noqa: FBT001  # typer hands it over like that
    if wanted:
        sys.stdout.write(f"opsjobs {versions.own()}\n")
        raise typer.Exit


def _main(
    *,
    version: Annotated[  # its callback does it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show this command's version.")
    ] = False,
) -> None:
    """Operations on the nodes of a GPU cluster, as durable jobs."""


def tree() -> typer.Typer:
    app = typer.Typer(name="opsjobs", no_args_is_help=True, epilog=exit_status.HELP, **_SETTINGS)  # type: ignore[arg-type]  # of several types
    app.callback()(_main)
    commands: dict[str, Callable[..., None]] = {
        "addon": create_commands.addon,
        "preflight": create_commands.preflight,
        "dumplog": create_commands.dumplog,
        "reboot": create_commands.reboot,
        "exportimage": create_commands.exportimage,
        "apply": create_commands.apply,
        "list": job_commands.list_jobs,
        "get": job_commands.get,
        "watch": job_commands.watch,
        "history": job_commands.history,
        "stop": job_commands.stop,
        "delete": job_commands.delete,
        "pause": rollout_commands.pause,
        "resume": rollout_commands.resume,
        "advance": rollout_commands.advance,
        "retry": rollout_commands.retry,
        "report": output_commands.report,
        "download": output_commands.download,
        "templates": service_commands.templates,
        "whoami": service_commands.whoami,
        "version": service_commands.version,
        "support-bundle": support_bundle.support_bundle,
    }
    for name, command in commands.items():
        app.command(name, epilog=exit_status.HELP)(with_session(command))
    contexts = typer.Typer(no_args_is_help=True, help="Services by name, in a file of yours.", **_SETTINGS)  # type: ignore[arg-type]  # as above
    contexts.command("set")(context_commands.set_context)
    contexts.command("use")(context_commands.use)
    contexts.command("list")(context_commands.list_contexts)
    contexts.command("delete")(context_commands.delete)
    app.add_typer(contexts, name="context")
    return app

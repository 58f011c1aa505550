"""All commands of `opsjobs`, in the order in which help shows them; only what is asked for is imported."""

import re
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import typer

from opsjobs_cli import exit_status, versions, zsh_completion
from opsjobs_cli.session import with_session

#: No rich in help: it would be read as markup, and takes longer to import than all the rest.
_SETTINGS = {"rich_markup_mode": None, "pretty_exceptions_enable": False}
#: Command → its module, and the function's name where it is another. All of them together take 0.1 s to import.
_COMMANDS = {
    "addon": "create_commands",
    "preflight": "create_commands",
    "dumplog": "create_commands",
    "reboot": "create_commands",
    "exportimage": "create_commands",
    "apply": "create_commands",
    "list": "job_commands.list_jobs",
    "get": "job_commands",
    "watch": "job_commands",
    "logs": "log_commands",
    "events": "event_commands",
    "history": "job_commands",
    "stop": "job_commands",
    "delete": "job_commands",
    "pause": "rollout_commands",
    "resume": "rollout_commands",
    "advance": "rollout_commands",
    "retry": "rollout_commands",
    "report": "output_commands",
    "download": "output_commands",
    "nodes": "node_commands",
    "freeze": "node_commands",
    "unfreeze": "node_commands",
    "audit": "audit_command.audit",
    "templates": "service_commands",
    "whoami": "service_commands",
    "version": "service_commands",
    "support-bundle": "support_bundle.support_bundle",
}
_CONTEXT = "context"
_VERSION = "--version"
_CONTEXT_COMMANDS = {"set": "set_context", "use": "use", "list": "list_contexts", "delete": "delete"}


def _version(wanted: bool) -> None:  # noqa: FBT001  # typer hands it over like that
    if wanted:
        sys.stdout.write(f"opsjobs {versions.own()}\n")
        raise typer.Exit


def _main(
    *,
    version: Annotated[  # its callback does it
        bool, typer.Option(_VERSION, callback=_version, is_eager=True, help="Show this command's version.")
    ] = False,
) -> None:
    """Operations on the nodes of a GPU cluster, as durable jobs."""


def tree(word: str) -> typer.Typer:
    """The command named by that word alone, or all of them where there is none of that name."""
    app = typer.Typer(name="opsjobs", no_args_is_help=True, epilog=exit_status.HELP, **_SETTINGS)  # type: ignore[arg-type]  # of several types
    zsh_completion.mend()
    app.callback()(_main)
    alone = word in {*_COMMANDS, _CONTEXT, _VERSION}
    for name in _COMMANDS:
        if name == word or not alone:
            app.command(name, epilog=exit_status.HELP)(with_session(_function(name)))
    if word == _CONTEXT or not alone:
        app.add_typer(_contexts(), name=_CONTEXT)
    return app


def first_word(arguments: list[str], environment: dict[str, str]) -> str:
    """What is to be done, of a command line or of one that a shell asks about; empty: not said yet."""
    begun = environment.get("COMP_WORDS") or environment.get("_TYPER_COMPLETE_ARGS")
    # Shells join the words by a space or a line end; the last one is still being written.
    words = re.split(r"\s", begun)[1:-1] if begun else arguments
    return words[0] if words else ""


def _function(name: str) -> Callable[..., None]:
    module, _, function = _COMMANDS[name].partition(".")
    found: Any = getattr(import_module(f"opsjobs_cli.{module}"), function or name)
    return found  # type: ignore[no-any-return]  # a test calls each of them


def _contexts() -> typer.Typer:
    from opsjobs_cli import context_commands

    contexts = typer.Typer(no_args_is_help=True, help="Services by name, in a file of yours.", **_SETTINGS)  # type: ignore[arg-type]  # as above
    for name, function in _CONTEXT_COMMANDS.items():
        contexts.command(name)(getattr(context_commands, function))
    return contexts

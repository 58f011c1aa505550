"""One run of the command: the options that every command has, and the service they lead to."""

import contextlib
import functools
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opsjobs_cli import suggestions
from opsjobs_cli.printing import Format, Output, note
from opsjobs_cli.whereto import Asked, Whereto, chosen, direct

if TYPE_CHECKING:
    from opsjobs_cli.service_client import Service

_WHERE = "Where and who"


def _options(  # noqa: PLR0913, PLR0917  # what can be said about a connection
    output: Annotated[Format, typer.Option("--output", "-o", help="json and yaml are the API's own.")] = Format.TABLE,
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC, not in this machine's zone.")] = False,
    context: Annotated[
        str | None,
        typer.Option(
            help="A context of opsjobs context; with --kubeconfig, one of that.", autocompletion=suggestions.contexts
        ),
    ] = None,
    url: Annotated[str | None, typer.Option(help="The service. Else OPSJOBS_URL, else the current context.")] = None,
    ca_file: Annotated[
        str | None, typer.Option("--ca-file", help="The authority that signed the service's certificate (PEM).")
    ] = None,
    token_file: Annotated[
        str | None, typer.Option("--token-file", help="Holds the token. Else OPSJOBS_TOKEN, else the context's.")
    ] = None,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="Send the token over http://, too.")] = False,
    kubeconfig: Annotated[
        str | None, typer.Option("--kubeconfig", metavar="FILE", help="Reach the service through kubectl port-forward.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="With --kubeconfig: the service's (opsjobs).")
    ] = None,
    service_account: Annotated[
        str | None, typer.Option("--service-account", metavar="NAME", help="With --kubeconfig: kubectl gets its token.")
    ] = None,
) -> None:
    """Only its parameters are used."""


@dataclass
class Session:
    """What a command works with."""

    asked: Asked
    output: Output = field(default_factory=Output)
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @functools.cached_property
    def service(self) -> "Service":
        from opsjobs_cli.service_client import Service

        return self._open.enter_context(Service(self.whereto, note=note))

    @functools.cached_property
    def whereto(self) -> Whereto:
        context = {} if self.asked.kubeconfig else chosen(self.asked)[1]
        if not self.asked.kubeconfig and not context.get("serviceAccount"):
            return direct(self.asked)
        from opsjobs_cli.through_kubectl import reach

        found, forwarded = reach(self.asked, context)
        self._open.callback(forwarded.close)
        return found

    def close(self) -> None:
        self._open.close()


def is_interactive() -> bool:
    """Whether a person can be asked: their terminal shows the question and takes the answer."""
    return sys.stdin.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def with_session(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of every command; it gets the Session they make as its first argument."""
    own = list(inspect.signature(command).parameters.values())[1:]
    shared = list(inspect.signature(_options).parameters.values())
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *shared)]

    def run(**given: Any) -> None:
        chosen = {parameter.name: given.pop(parameter.name) for parameter in shared}
        output = Output(Format(chosen.pop("output")), utc=chosen.pop("utc"))
        session = Session(Asked(**chosen), output)
        with contextlib.closing(session):
            command(session, **given)

    run.__name__ = command.__name__
    run.__doc__ = command.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect and typer look at
    return run

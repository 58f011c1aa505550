"""opsjobs context: services by name."""

import shlex
import sys
from typing import Annotated

import typer

from opsjobs_cli import suggestions, tokens
from opsjobs_cli.complaints import UsageError
from opsjobs_cli.context_file import ContextFile
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.printing import rows, say

_Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=suggestions.contexts)]


def set_context(  # noqa: PLR0913, PLR0917  # what a context can hold
    name: _Name,
    url: Annotated[str | None, typer.Option(help="The service's address.")] = None,
    ca_file: Annotated[str | None, typer.Option("--ca-file", help="The authority of its certificate (PEM).")] = None,
    token_file: Annotated[str | None, typer.Option("--token-file", help="A file that holds the token.")] = None,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Keep the token that comes on standard input.")
    ] = False,
    exec_: Annotated[
        str | None,
        typer.Option("--exec", metavar="COMMAND", help="A program that prints a token or an ExecCredential."),
    ] = None,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="Send the token over http://, too.")] = False,
    service_account: Annotated[
        str | None, typer.Option("--service-account", help="Reach it through kubectl, with a token of this account.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="With it: the service's (opsjobs).")
    ] = None,
    kubeconfig: Annotated[str | None, typer.Option("--kubeconfig", help="With it: else kubectl's own.")] = None,
    kube_context: Annotated[str | None, typer.Option("--kube-context", help="With it: else the current one.")] = None,
) -> None:
    """Make or change a context; the first one becomes the current one."""
    file = ContextFile()
    context = dict(file.contexts.get(name, {}))
    sources = {
        "tokenFile": token_file,
        "tokenCommand": shlex.split(exec_) if exec_ else None,
        "token": tokens.checked(sys.stdin.read().strip(), "standard input") if token_stdin else None,
    }
    if sum(value is not None for value in sources.values()) > 1:
        raise UsageError("a context has one source of its token: --token-file, --token-stdin or --exec")
    changed = {"url": url, "caFile": ca_file, **sources, "plainHttp": plain_http or None}
    changed |= {"serviceAccount": service_account, "namespace": namespace}
    changed |= {"kubeconfig": kubeconfig, "kubeContext": kube_context}
    # A token belongs to the URL that it was given for, and one source replaces another.
    if url not in (None, context.get("url")) or any(sources.values()):
        for source in sources:
            context.pop(source, None)
    context |= {field: value for field, value in changed.items() if value is not None}
    if bool(context.get("url")) is bool(context.get("serviceAccount")):
        raise UsageError(f"where is it? opsjobs context set {neutral(name)} with --url, or with --service-account")
    file.contexts[name] = context
    file.current = file.current or name
    file.write()
    say(f"{neutral(name)} is in {file.path}")


def use(name: _Name) -> None:
    """Make a context the current one."""
    file = ContextFile()
    file.context(name)
    file.current = name
    file.write()
    say(f"{neutral(name)} is the current context")


def list_contexts() -> None:
    """List the contexts; no token is shown."""
    file = ContextFile()
    lines = (
        ("*" if name == file.current else "", name, context.get("url", "through kubectl"), _source(context))
        for name, context in sorted(file.contexts.items())
    )
    rows(("", "NAME", "URL", "TOKEN"), lines)


def delete(name: _Name) -> None:
    """Forget a context."""
    file = ContextFile()
    file.context(name)
    del file.contexts[name]
    file.current = "" if file.current == name else file.current
    file.write()
    say(f"{neutral(name)} is gone")


def _source(context: dict[str, object]) -> str:
    if "token" in context:
        return "kept here"
    if "tokenFile" in context:
        return str(context["tokenFile"])
    if "serviceAccount" in context:
        return f"of {context['serviceAccount']}, by kubectl"
    return "by a program" if "tokenCommand" in context else "none"

"""Which service is asked, and with which token: from options, the environment, or a context."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from opsjobs_cli import tokens
from opsjobs_cli.complaints import UsageError
from opsjobs_cli.context_file import Context, ContextFile
from opsjobs_cli.neutral_text import neutral

#: Names of this machine: nothing between it and itself reads what is not encrypted.
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class Whereto:
    """A service. `token` is asked when one is needed, and again when the service refuses the one before."""

    url: str
    token: Callable[[], str]
    ca_file: str = ""
    #: Where the connection goes to another name than the certificate's: that name.
    server_name: str = ""
    #: After a connection broke, before the next: what leads there may have to be made anew.
    reconnect: Callable[[], None] = lambda: None

    @property
    def is_here(self) -> bool:
        return urlsplit(self.url).hostname in _HERE


@dataclass(frozen=True)
class Asked:
    """What the options of a command say about it; None or empty: nothing."""

    url: str | None = None
    ca_file: str | None = None
    token_file: str | None = None
    context: str | None = None
    kubeconfig: str | None = None
    namespace: str | None = None
    service_account: str | None = None
    plain_http: bool = False


def chosen(asked: Asked, environment: Mapping[str, str] = os.environ) -> tuple[str, Context]:
    """The URL and the context that hold; one of them may be empty.

    Raises:
        UsageError: nothing says which service.
    """
    url = asked.url or ("" if asked.context else environment.get("OPSJOBS_URL", ""))
    if url:
        return url, {}
    file = ContextFile()
    name = asked.context or file.current
    if not name:
        raise UsageError(
            "which service? Set OPSJOBS_URL and OPSJOBS_TOKEN, or make a context (opsjobs context set --help), "
            "or give --kubeconfig to reach it through kubectl"
        )
    context = file.context(name)
    return context.get("url", ""), context


def direct(asked: Asked, environment: Mapping[str, str] = os.environ) -> Whereto:
    """The service at a URL.

    A token goes only to the URL that it was given with: a context's is never sent to another.

    Raises:
        UsageError: nothing says where the service is, or with which token; or the token would travel unencrypted.
    """
    url, context = chosen(asked, environment)
    checked = _checked(url, plain=asked.plain_http or bool(context.get("plainHttp")))
    ca_file = asked.ca_file or context.get("caFile", "") or environment.get("OPSJOBS_CA_FILE", "")
    return Whereto(checked, _token(asked, context, environment), _existing(ca_file))


def _checked(url: str, *, plain: bool) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"{neutral(url)!r} is no address of a service: write it like https://opsjobs.example.com")
    if parts.username or parts.password:
        raise UsageError("the URL holds a user or password: the service takes a token instead (OPSJOBS_TOKEN)")
    if parts.scheme == "http" and parts.hostname not in _HERE and not plain:
        raise UsageError(
            f"{url} would send the token unencrypted: use https, or --plain-http where you trust all that is between"
        )
    return url.rstrip("/")


def _existing(ca_file: str) -> str:
    if ca_file and not Path(ca_file).is_file():
        raise UsageError(f"the certificate file {ca_file} does not exist")
    return ca_file


def _token(asked: Asked, context: Context, environment: Mapping[str, str]) -> Callable[[], str]:
    if asked.token_file:
        return tokens.from_file(asked.token_file)
    if not context and (given := environment.get("OPSJOBS_TOKEN", "").strip()):
        return partial(tokens.checked, given, "OPSJOBS_TOKEN")
    if not context and (file := environment.get("OPSJOBS_TOKEN_FILE", "")):
        return tokens.from_file(file)
    if command := context.get("tokenCommand"):
        return tokens.from_command(list(command))
    if path := context.get("tokenFile"):
        return tokens.from_file(str(path))
    if kept := context.get("token"):
        return lambda: str(kept)
    if context:
        raise UsageError("this context has no token: opsjobs context set NAME --token-stdin, --token-file or --exec")
    raise UsageError(
        "with which token? Set OPSJOBS_TOKEN, or give --token-file; one is made by "
        "kubectl create token ACCOUNT -n NAMESPACE --audience=opsjobs"
    )

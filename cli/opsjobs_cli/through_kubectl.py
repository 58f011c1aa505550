"""A service that is reached through Kubernetes: kubectl forwards a port and asks for a token, both as its own child.

The kubeconfig's own credential is kubectl's alone; the service gets a token of a ServiceAccount, for its audience.
"""

import json
import os
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from opsjobs_cli.complaints import UnreachableError, UsageError
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.tokens import checked
from opsjobs_cli.whereto import Asked, Whereto

_AUDIENCE = "opsjobs"
_NAMESPACE = "opsjobs"
#: Which Service of the release takes requests.
_LABELS = "app.kubernetes.io/part-of=opsjobs,app.kubernetes.io/component=service"
#: Seconds.
_PATIENCE = 60
_END = 5
#: Runs a command until it, or whoever holds the other end of the standard input, has ended: however that ended.
_AS_LONG_AS_WE = """
exec 3<&0
"$@" </dev/null 3<&- & child=$!
{ read -r _; kill "$child"; } <&3 3<&- >/dev/null 2>&1 & watcher=$!
exec 3<&- </dev/null
wait "$child"
kill "$watcher" 2>/dev/null
"""


@dataclass
class Forwarded:
    """kubectl port-forward to the one Service of a release, until `close`."""

    kubectl: tuple[str, ...]
    namespace: str
    service: str = ""
    scheme: str = ""
    port: int = 0
    _child: "subprocess.Popen[str] | None" = None
    _said: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Have a port of this machine lead there.

        Raises:
            UsageError: there is no such Service, or kubectl does not show it.
            UnreachableError: kubectl does not reach it.
        """
        listed = json.loads(self.ask("get", "services", "-l", _LABELS, "-o", "json"))["items"]
        if len(listed) != 1:
            found = "none" if not listed else f"{len(listed)} of them"
            raise UsageError(f"namespace {self.namespace!r} should have the one Service of OpsJobs, and has {found}")
        self.service = listed[0]["metadata"]["name"]
        self.scheme = listed[0]["spec"]["ports"][0]["name"]
        self._forward()

    def again(self) -> None:
        """After a connection broke: kubectl stays at a pod that is gone. The port stays the same."""
        self.close()
        self._forward()

    def close(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin:
            child.stdin.close()
        try:
            child.wait(_END)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if child.stdout:
            child.stdout.close()

    def token(self, account: str) -> str:
        """A token of that ServiceAccount, which the person must be allowed to ask for."""
        return checked(self.ask("create", "token", account, f"--audience={_AUDIENCE}").strip(), "kubectl create token")

    def ask(self, *words: str) -> str:
        command = [*self.kubectl, "-n", self.namespace, *words]
        try:
            done = subprocess.run(  # noqa: S603  # no shell reads it
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
        except FileNotFoundError as error:
            raise UsageError("--kubeconfig needs kubectl, and it is not on PATH") from error
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(f"kubectl {' '.join(words[:2])} did not end within {_PATIENCE} s") from error
        if done.returncode:
            raise UsageError(f"kubectl {' '.join(words[:2])}: {neutral(done.stderr.strip())}")
        return done.stdout

    def _forward(self) -> None:
        where = [
            "port-forward",
            "--address",
            "127.0.0.1",
            f"service/{self.service}",
            f"{self.port or ''}:{self.scheme}",
        ]
        self._child = subprocess.Popen(  # noqa: S603  # as above
            ["/bin/sh", "-c", _AS_LONG_AS_WE, "sh", *self.kubectl, "-n", self.namespace, *where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Ctrl-C is for this command, which ends its child itself.
            start_new_session=True,
        )
        ready = threading.Event()
        self._said = []
        threading.Thread(target=self._read, args=(self._child, ready), daemon=True).start()
        if not ready.wait(_PATIENCE) or not self.port:
            self.close()
            raise UnreachableError(f"kubectl port-forward: {neutral(' '.join(self._said)) or 'it says nothing'}")

    def _read(self, child: "subprocess.Popen[str]", ready: threading.Event) -> None:
        """What it says: first the port, then a line for each connection, which must not fill the pipe."""
        if child.stdout is None:
            return
        try:
            for line in child.stdout:
                if line.startswith("Forwarding from 127.0.0.1:"):
                    self.port = int(line.partition("127.0.0.1:")[2].partition(" ")[0])
                    ready.set()
                elif not ready.is_set():
                    self._said.append(line.strip())
        except ValueError:
            return  # closed while it was read
        finally:
            ready.set()


def reach(asked: Asked, context: dict[str, Any]) -> tuple[Whereto, Forwarded]:
    """The service of a cluster; the second is to be closed.

    Raises:
        UsageError: it is not said with which ServiceAccount.
    """
    account = asked.service_account or context.get("serviceAccount")
    if not account:
        raise UsageError("as whom? Give --service-account: kubectl asks for a token of it, for this service alone")
    kubeconfig = asked.kubeconfig or context.get("kubeconfig")
    kube_context = asked.context if asked.kubeconfig else context.get("kubeContext")
    kubectl = ["kubectl", *([f"--kubeconfig={kubeconfig}"] if kubeconfig else [])]
    kubectl += [f"--context={kube_context}"] if kube_context else []
    forwarded = Forwarded(tuple(kubectl), asked.namespace or context.get("namespace") or _NAMESPACE)
    forwarded.open()
    return (
        Whereto(
            url=f"{forwarded.scheme}://127.0.0.1:{forwarded.port}",
            token=partial(forwarded.token, account),
            ca_file=asked.ca_file or context.get("caFile", ""),
            # The port leads to 127.0.0.1; the certificate is the Service's.
            server_name=f"{forwarded.service}.{forwarded.namespace}.svc" if forwarded.scheme == "https" else "",
            reconnect=forwarded.again,
        ),
        forwarded,
    )

"""crane, the registry client of go-containerregistry: called by argument list, its credentials in a file."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from workflow_templates import step_output
from workflow_templates.exportimage.proxy import Proxy, RefusedError
from workflow_templates.exportimage.quoting import Quoting
from workflow_templates.tail import Tail

#: Its last lines say why it failed; before them it lists every blob.
_KEPT_BYTES = 8192
#: Seconds that a question may take.
ANSWER_SECONDS = 60.0
#: Seconds in which a copy may move not one byte. A registry is silent that long while it puts a large layer together.
STALL_SECONDS = 600.0

#: By this an attempt that was given up is known from crane's own failures.
STALLED = "no bytes were received or sent"


class CraneError(Exception):
    """crane failed; the message is what it printed last.

    `refusals`: what the proxy did not let it call, each a sentence.
    """

    def __init__(self, output: str, refusals: Sequence[str] = ()) -> None:
        super().__init__(output)
        self.refusals = tuple(refusals)


class Crane:
    """Runs crane with the Docker configuration in `home`, trusting the system's authorities and those in a folder.

    With a proxy that runs, that is its only way out; without one, it calls whatever it is led to.
    """

    def __init__(  # noqa: PLR0913 - what differs in tests has a name
        self,
        home: Path,
        authorities: Path,
        program: str = "crane",
        *,
        proxy: Proxy | None = None,
        answer_seconds: float = ANSWER_SECONDS,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._home = home
        self._authorities = authorities
        self._program = program
        self._proxy = proxy
        self._answer_seconds = answer_seconds
        self._stall_seconds = stall_seconds

    def log_in(self, docker_config: str) -> None:
        """Use these credentials from now on."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        file = self._home / "config.json"
        file.touch(mode=0o600)
        file.write_text(docker_config)

    def digest(self, image: str) -> str:
        """The digest of an image in its registry."""
        return self._ask("digest", image).strip()

    def check_name(self, image: str) -> None:
        """Refuse an image whose registry would be called past the proxy."""
        if self._proxy:
            try:
                self._proxy.check_name(image.partition("/")[0])
            except RefusedError as refusal:
                raise CraneError("", [str(refusal)]) from None

    def copy(self, source: str, target: str) -> None:
        """Copy an image, or an index with all its platforms; what the target has already is not sent again."""
        self._run("copy", source, target, seconds=self._stall_seconds, progress=_bytes_moved)

    def tag(self, image: str, tag: str) -> None:
        self._ask("tag", image, tag)

    def _ask(self, *arguments: str) -> str:
        return self._run(*arguments, seconds=self._answer_seconds, progress=lambda _: 0)

    def _run(self, *arguments: str, seconds: float, progress: Callable[[int], int]) -> str:
        """What crane prints. It is given up once it has made no progress for so many seconds."""
        environment = {
            **os.environ,
            "HOME": str(self._home),
            "DOCKER_CONFIG": str(self._home),
            # Beside the system's one file of authorities, which Go reads all the same.
            "SSL_CERT_DIR": str(self._authorities),
            **self._way_out(),
        }
        tail, quoting = Tail(_KEPT_BYTES), Quoting()
        command = [self._program, *arguments]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                with _watched(process, seconds, progress) as stalled:
                    for line in process.stderr or ():
                        if shown := quoting.line(line.decode(errors="replace").rstrip("\n")):
                            tail.feed(f"{shown}\n".encode())
                            step_output.log(shown)
                    answer = process.stdout.read() if process.stdout else b""
                    process.wait()
            except BaseException:
                process.kill()  # the job was stopped
                raise
        if process.returncode and stalled.is_set():
            raise CraneError(f"Error: {STALLED} for {seconds:g} s")
        if process.returncode:
            refusals = self._proxy.take_refusals() if self._proxy else ()
            raise CraneError(tail.text() or f"crane ended with {process.returncode}", refusals)
        return answer.decode()

    def _way_out(self) -> dict[str, str]:
        if not self._proxy:
            return {}
        self._proxy.take_refusals()  # of a call before, which went well all the same
        address = self._proxy.address
        ours = {"HTTPS_PROXY": address, "HTTP_PROXY": address, "NO_PROXY": ""}
        return ours | {name.lower(): value for name, value in ours.items()}


@contextmanager
def _watched(
    process: subprocess.Popen[bytes], seconds: float, progress: Callable[[int], int]
) -> Iterator[threading.Event]:
    """Kill the process once its progress has stood still for so long; the event says that this was done."""
    stalled, over = threading.Event(), threading.Event()

    def watch() -> None:
        before, since = progress(process.pid), time.monotonic()
        while not over.wait(min(1.0, seconds / 4)):
            now = progress(process.pid)
            if now != before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since >= seconds:
                stalled.set()
                process.kill()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stalled
    finally:
        over.set()
        watcher.join()


def _bytes_moved(pid: int) -> int:
    """The bytes that a process has read and written so far, over the network too."""
    try:
        counters = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    except OSError:
        return 0  # it has just ended
    return int(counters["rchar"]) + int(counters["wchar"])

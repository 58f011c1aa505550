"""crane, the registry client of go-containerregistry: called by argument list, its credentials in a file."""

import os
import re
import subprocess
from pathlib import Path

from workflow_templates import say
from workflow_templates.tail import Tail

#: Its last lines say why it failed; before them it tells of every blob.
_KEPT_BYTES = 8192
#: Queries of URLs are of use to nobody, and those of a store's presigned links are secrets.
_QUERY = re.compile(r"\?[^\s\":]*")


class CraneError(Exception):
    """crane failed; the message is what it said last."""


class Crane:
    """Runs crane with the Docker configuration in `home`, trusting the system's authorities and those in a folder."""

    def __init__(self, home: Path, authorities: Path, program: str = "crane") -> None:
        self._home = home
        self._authorities = authorities
        self._program = program

    def log_in(self, docker_config: str) -> None:
        """Use these credentials from now on."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        file = self._home / "config.json"
        file.touch(mode=0o600)
        file.write_text(docker_config)

    def digest(self, image: str) -> str:
        """The digest of an image in its registry."""
        return self._run("digest", image).strip()

    def copy(self, source: str, target: str) -> None:
        """Copy an image, or an index with all its platforms; what the target has already is not sent again."""
        self._run("copy", source, target)

    def tag(self, image: str, tag: str) -> None:
        self._run("tag", image, tag)

    def _run(self, *arguments: str) -> str:
        environment = {
            **os.environ,
            "HOME": str(self._home),
            "DOCKER_CONFIG": str(self._home),
            # Beside the system's one file of authorities, which Go reads all the same.
            "SSL_CERT_DIR": str(self._authorities),
        }
        said = Tail(_KEPT_BYTES)
        command = [self._program, *arguments]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                for line in process.stderr or ():
                    shown = _QUERY.sub("", line.decode(errors="replace"))
                    said.feed(shown.encode())
                    say.log(shown.rstrip())
                answer = process.stdout.read() if process.stdout else b""
            except BaseException:
                process.kill()  # the job was stopped
                raise
        if process.returncode:
            raise CraneError(said.text() or f"crane ended with {process.returncode}")
        return answer.decode()

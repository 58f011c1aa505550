"""kubectl, as the stages use it."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

from local_cluster.stages import Stage, StageError

POLL_SECONDS = 0.5


class Kubectl:
    """Talks to one cluster by the kubectl that was built for it, or the user's own where the cluster is theirs."""

    def __init__(self, kubeconfig: Path, program: Path | str = "kubectl") -> None:
        self.kubeconfig = kubeconfig
        self.program = program

    def run(self, stage: Stage, *arguments: str, given: str | bytes | None = None) -> str:
        return stage.run([self.program, "--kubeconfig", self.kubeconfig, *arguments], given=given)

    def secret(self, stage: Stage, *arguments: str) -> str:
        """Run kubectl for output that no log may hold; its complaints are logged all the same."""
        command = [str(self.program), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        stage.note(f"$ {' '.join(command)}\n{done.stderr}")
        if done.returncode != 0:
            raise StageError(f"kubectl {' '.join(arguments)} ended with {done.returncode}\n{stage.last_lines()}")
        return done.stdout.strip()

    def get(self, stage: Stage, *arguments: str) -> Any:
        return json.loads(self.run(stage, "get", *arguments, "-o", "json"))

    def apply(self, stage: Stage, *objects: dict[str, Any]) -> None:
        """Apply server-side, because Argo's definitions are longer than an annotation may be."""
        text = yaml.safe_dump_all(objects)
        self.run(
            stage, "apply", "--server-side", "--force-conflicts", "--field-manager", "opsjobs", "-f", "-", given=text
        )

    def wait_until_ready(self, stage: Stage, seconds: float) -> None:
        """Wait until the API says it is ready; raises StageError after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.run(stage, "get", "--raw", "/readyz")
            except StageError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)
            else:
                return

    def wait_for_nodes(self, stage: Stage, names: list[str], seconds: float) -> None:
        """Wait until every named node has registered and is Ready; raises StageError naming those that are not."""
        deadline = time.monotonic() + seconds
        while missing := set(names) - self.ready_nodes(stage):
            if time.monotonic() > deadline:
                raise StageError(f"not Ready after {seconds:.0f} s: {', '.join(sorted(missing))}")
            time.sleep(POLL_SECONDS)

    def ready_nodes(self, stage: Stage) -> set[str]:
        nodes = self.get(stage, "nodes")["items"]
        return {node["metadata"]["name"] for node in nodes if _is_ready(node)}

    def rollout(self, stage: Stage, namespace: str, workload: str, seconds: int = 300) -> None:
        self.run(stage, "-n", namespace, "rollout", "status", workload, f"--timeout={seconds}s")


def _is_ready(node: dict[str, Any]) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"].get("conditions", []))

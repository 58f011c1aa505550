"""The real cluster, as tests use it: `make up` made it, or KUBECONFIG named it."""

import functools
import json
import os
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.e2e.reading import Reader
from workflow_templates.busy_pods import workload

T = TypeVar("T")

#: Seconds: generous, because two cores run everything.
PATIENCE = 300

#: As local_cluster/values.yaml says it.
CLUSTER_ID = "local"
#: A container that does nothing, of an image that every node holds.
SLEEPER = {
    "name": "main",
    "image": "busybox:opsjobs",
    "imagePullPolicy": "Never",
    "command": ["/bin/busybox", "sleep", "3600"],
}


#: A nodeSelector of nodes for pods that tests run by themselves. Not for the first two workers, which are kept idle.
WORKLOADS = {"opsjob-e2e": "workloads"}

#: Of kubectl delete pod: the node is not asked, and ends the containers when it hears of it. One may be gone already.
_AT_ONCE = ("--grace-period=0", "--force", "--ignore-not-found")


@dataclass
class Cluster:
    facts: dict[str, Any]

    @property
    def jobs(self) -> str:
        return str(self.facts["jobsNamespace"])

    @property
    def trust(self) -> ssl.SSLContext:
        """`verify` of every HTTP client of the service: its certificate is signed by the cluster's own authority."""
        return ssl.create_default_context(cafile=self.facts.get("ca") or None)

    @property
    def checks(self) -> str:
        """The namespace of preflight's checks, as the chart calls it where no value says otherwise."""
        return "opsjobs-checks"

    @property
    def image(self) -> str:
        """One with a shell that every node holds: the product's own."""
        (deployment,) = self.items("deployments", "-n", self.facts["namespace"])
        return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])

    def run(self, tool: str, *arguments: str, text: str | None = None, check: bool = True) -> str:
        """A tool of the cluster (kubectl, argo, …) by its name, against this cluster; answers its output."""
        environment = os.environ | {"KUBECONFIG": self.facts["kubeconfig"]}
        done = subprocess.run(
            [f"{self.facts['bin']}/{tool}", *arguments],
            input=text,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{tool} {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        return self.run("kubectl", *arguments, text=text, check=check)

    def get(self, *arguments: str) -> Any:
        """One object, or None where there is none."""
        try:
            return self._reader.get(*arguments)
        except LookupError:
            output = self.kubectl("get", *arguments, "-o", "json", "--ignore-not-found")
            return json.loads(output) if output.strip() else None

    def items(self, *arguments: str) -> list[Any]:
        found: list[Any] = self.get(*arguments)["items"]
        return found

    @functools.cached_property
    def _reader(self) -> Reader:
        return Reader(Path(self.facts["kubeconfig"]))

    def close(self) -> None:
        """Close the connection that objects were read over, if any was."""
        if "_reader" in vars(self):
            self._reader.close()

    def apply(self, *manifests: dict[str, Any]) -> None:
        self.kubectl(
            "apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        )

    def token(self, account: str, namespace: str | None = None, audience: str = "opsjobs") -> str:
        where = namespace or self.facts["namespace"]
        return self.kubectl("create", "token", account, "-n", where, f"--audience={audience}", "--duration=1h").strip()

    def nodes(self) -> list[str]:
        """The worker nodes that are Ready, in order; not the control plane, nor nodes that only exist on paper."""
        workers = set(self.facts["containers"]) - {"control-plane"}
        return sorted(
            node["metadata"]["name"]
            for node in self.items("nodes")
            if node["metadata"]["name"] in workers
            and any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
        )

    def ready_services(self) -> set[str]:
        """The names of the service's pods that are Ready and not on their way out."""
        return {
            pod["metadata"]["name"]
            for pod in self._services()
            if "deletionTimestamp" not in pod["metadata"]
            and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        }

    def kill_services(self, *names: str) -> set[str]:
        """Delete pods of the service, all if none is named, without grace; others are made. Answers their names."""
        killed = set(names) or {pod["metadata"]["name"] for pod in self._services()}
        self.kubectl("delete", "pod", *sorted(killed), "-n", self.facts["namespace"], *_AT_ONCE)
        return killed

    def kill_argo(self) -> None:
        """The same with Argo's controller."""
        self.kubectl("delete", "pod", "-n", "argo", "-l", "app=workflow-controller", *_AT_ONCE)

    def _services(self) -> list[Any]:
        label = "app.kubernetes.io/name=opsjobs,app.kubernetes.io/component=service"
        return self.items("pods", "-n", self.facts["namespace"], "-l", label)

    def on_host(self, node: str, *command: str, check: bool = True) -> str:
        """The output of a command on the node's host."""
        done = subprocess.run(
            ["docker", "exec", self.facts["containers"][node], *command], capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{command} on {node}: {done.stderr}")
        return done.stdout

    def workloads_on(self, node: str) -> list[str]:
        """What a job that waits for an idle node would wait for there, as `namespace/name`."""
        system = {"kube-system", "argo", self.jobs, self.facts["namespace"]}
        pods = self.items("pods", "-A", "--field-selector", f"spec.nodeName={node}")
        return workload(pods, "", self.jobs, system)

    def cordon_of(self, node: str) -> tuple[bool, dict[str, str]]:
        """Whether a node is cordoned, and the marks of ours that it carries."""
        found = self.get("node", node)
        marks = found["metadata"].get("annotations", {})
        return found["spec"].get("unschedulable", False), {k: v for k, v in marks.items() if k.startswith("opsjob.io/")}

    def lease_of(self, node: str) -> str | None:
        lease = self.get("lease", f"node-{node}", "-n", self.jobs)
        return lease["spec"].get("holderIdentity") if lease else None

    def assert_given_back(self, job_id: str, node: str, *, cordoned: bool = False) -> None:
        """The node is as it was before this job, and nothing of the job is at work."""
        assert self.cordon_of(node) == (cordoned, {})
        assert self.lease_of(node) is None
        at_work = [pod for pod in self.step_pods(job_id) if pod["status"]["phase"] not in ("Succeeded", "Failed")]
        assert not [pod["metadata"]["name"] for pod in at_work]

    def assert_cordoned_by(self, job_id: str, node: str) -> None:
        cordoned, marks = self.cordon_of(node)
        assert cordoned
        assert marks["opsjob.io/cordoned-by"] == job_id

    def step_pods(self, job_id: str) -> list[Any]:
        return self.items("pods", "-n", self.jobs, "-l", f"workflows.argoproj.io/workflow={job_id}")


def wait_for(what: str, check: Callable[[], T], seconds: float = PATIENCE) -> T:
    """The first truthy answer of `check`, which is asked until then; fails naming what did not come."""
    until = time.monotonic() + seconds
    last: T | None = None
    pause = 0.2
    while time.monotonic() < until:
        last = check()
        if last:
            return last
        time.sleep(pause)
        pause = min(1.0, 1.1 * pause)  # what takes long anyway is asked for less often: other tests need the processor
    raise AssertionError(f"did not come within {seconds} s: {what}; last seen: {last!r}")


@dataclass
class Api:
    """The service over HTTP, as one caller."""

    client: httpx.Client
    submitted: list[str] = field(default_factory=list)

    def create(self, *, headers: dict[str, str] | None = None, **body: Any) -> str:
        """Submit an addon job; answers its id."""
        answer = self.client.post("/api/v1/opsjobs", json={"type": "addon", **body}, headers=headers)
        assert answer.status_code == 200, answer.text
        self.submitted.append(answer.json()["jobId"])
        return str(answer.json()["jobId"])

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/v1/opsjobs/{job_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def stop(self, job_id: str) -> None:
        answer = self.client.post(f"/api/v1/opsjobs/{job_id}/stop")
        assert (answer.status_code, answer.content) == (200, b""), answer.text

    def delete(self, job_id: str) -> None:
        answer = self.client.delete(f"/api/v1/opsjobs/{job_id}")
        assert (answer.status_code, answer.content) == (200, b""), answer.text

    def until(
        self, job_id: str, what: str, check: Callable[[dict[str, Any]], Any], seconds: float = PATIENCE
    ) -> dict[str, Any]:
        """The job as GET shows it once `check` holds for it."""

        def look() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if check(job) else None

        try:
            found = wait_for(what, look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{job_id}: {error}; {json.dumps(self.job(job_id), indent=1)}") from None
        assert found is not None
        return found

    def finished(self, job_id: str, seconds: float = PATIENCE) -> dict[str, Any]:
        return self.until(job_id, "the end of the job", lambda job: job["phase"] in ("Succeeded", "Failed"), seconds)

    def node(self, job: dict[str, Any], name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(node for node in job["plan"]["nodes"] if node["name"] == name)
        return found


def inputs(*templates: str, nodes: list[str]) -> list[dict[str, str]]:
    """Inputs that run templates on nodes."""
    return [{"name": "addon.template", "value": name} for name in templates] + [
        {"name": "node", "value": name} for name in nodes
    ]

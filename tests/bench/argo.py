"""argo-server's own list with the same history: the last day's Workflows live, all before it in the archive."""

import contextlib
import json
import ssl
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from tests import postgresql
from tests.bench.control_plane import ControlPlane, programs
from tests.bench.load import Target
from tests.bench.processes import free_port, running

#: Not the one whose Workflows the measured service watches.
NAMESPACE = "bench-argo"
TEMPLATES = Path(__file__).parents[2] / "charts" / "opsjobs" / "files" / "workflowtemplates"
NODES = 4
WRITERS = 4
DATABASE = "argo"

#: What Argo's own page of Workflows asks for.
_METADATA = ("uid", "name", "namespace", "creationTimestamp", "labels", "annotations")
_STATUS = ("phase", "message", "finishedAt", "startedAt", "progress")
FIELDS = ",".join(
    [
        "metadata",
        *(f"items.metadata.{name}" for name in _METADATA),
        *(f"items.status.{name}" for name in _STATUS),
        "items.spec.arguments",
    ]
)

_ARCHIVED = """
INSERT INTO argo_archived_workflows
    (clustername, uid, instanceid, name, phase, namespace, workflow, startedat, finishedat, creationtimestamp)
SELECT 'default', 'uid-' || n, '', 'job-' || n, 'Succeeded', '{namespace}',
    replace($sample${sample}$sample$, 'NUMBER', n::text)::jsonb, at, at + interval '5 minutes', at
FROM generate_series(1, {count}) AS n, LATERAL (SELECT now() - interval '1 day' - n * interval '25 seconds' AS at) AS t
"""
_LABELLED = """
INSERT INTO argo_archived_workflows_labels (clustername, uid, name, value)
SELECT clustername, uid, key, value FROM argo_archived_workflows, jsonb_each_text(workflow->'metadata'->'labels')
"""
_MIGRATED = """
SELECT count(*) FROM pg_indexes WHERE indexname = 'argo_archived_workflows_i1' AND indexdef LIKE '%startedat%'
"""


@contextlib.contextmanager
def argo_server(plane: ControlPlane, archived: int, live: int) -> Iterator[tuple[Target, int]]:
    """argo-server with that many Workflows in the archive, on PostgreSQL, and that many live ones; and its process."""
    folder = plane.kubeconfig.parent
    _, argo = programs()
    environment = {"KUBECONFIG": str(plane.kubeconfig), "LEADER_ELECTION_DISABLE": "true"}
    with postgresql.running() as server:
        server.create(DATABASE)
        plane.run("create", "namespace", NAMESPACE)
        _configure(plane, server.port)
        # Only the controller makes the archive's tables; it is gone before there is a Workflow that it could touch.
        controller: list[str | Path] = [argo / "workflow-controller", "--namespaced", "--namespace", NAMESPACE]
        controller += ["--executor-image", "none", "--kubeconfig", str(plane.kubeconfig)]
        with running(controller, folder / "controller.log", lambda: _migrated(server), environment):
            pass
        statement = _ARCHIVED.format(namespace=NAMESPACE, sample=json.dumps(_workflow("NUMBER")), count=archived)
        server.sql(statement, DATABASE)
        server.sql(_LABELLED, DATABASE)
        server.sql("VACUUM ANALYZE", DATABASE)
        _create_live(plane, live)
        target = Target(f"http://127.0.0.1:{free_port()}")
        options = ["--auth-mode=server", "--secure=false", "--namespaced", "--namespace", NAMESPACE]
        # The default of 20 questions a second to Kubernetes would be what is measured.
        options += ["--kube-api-qps=1000", "--kube-api-burst=1000", "-p", target.url.rpartition(":")[2]]
        command: list[str | Path] = [argo / "argo", "server", "--kubeconfig", plane.kubeconfig, *options]
        with running(command, folder / "argo-server.log", lambda: _expect(target, archived + live), environment) as pid:
            yield target, pid


def page(offset: int = 0, labels: str = "") -> str:
    """A page of 100, with what comes nearest to totalCount."""
    asked = {
        "listOptions.limit": 100,
        "listOptions.continue": offset,
        "listOptions.fieldSelector": "ext.showRemainingItemCount=true",
        "listOptions.labelSelector": labels,
        "fields": FIELDS,
    }
    return f"/api/v1/workflows/{NAMESPACE}?{urlencode({name: value for name, value in asked.items() if value})}"


def _expect(target: Target, count: int) -> None:
    answer = json.loads(target.get(page()))
    remaining = int(answer["metadata"].get("remainingItemCount", 0))
    if remaining + len(answer["items"]) != count:
        raise RuntimeError(f"argo-server lists {remaining} and {len(answer['items'])} Workflows, not {count}")


def _migrated(server: postgresql.Server) -> None:
    if server.sql(_MIGRATED, DATABASE) != "1":
        raise RuntimeError("Argo's controller has not made the archive's tables")


def _configure(plane: ControlPlane, port: int) -> None:
    secret = {"name": "archive", "key": "name"}
    database = {
        "host": "127.0.0.1",
        "port": port,
        "database": DATABASE,
        "tableName": "argo_workflows",
        "userNameSecret": secret,
        "passwordSecret": secret,
    }
    config = {"persistence": yaml.safe_dump({"archive": True, "postgresql": database})}
    metadata = {"namespace": NAMESPACE}
    name = "workflow-controller-configmap"
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": config},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "archive", **metadata},
            "stringData": {"name": "postgres"},
        },
    ]
    plane.run("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def _create_live(plane: ControlPlane, count: int) -> None:
    """Finished Workflows as they wait for their TTL, created with the admin's token."""
    config = yaml.safe_load(plane.kubeconfig.read_text())
    url = f"{config['clusters'][0]['cluster']['server']}/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/workflows"
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}", "Content-Type": "application/json"}
    context = ssl._create_unverified_context()  # noqa: S323 — the benchmark's own apiserver on this machine

    def create(number: int) -> None:
        body = json.dumps(_workflow(f"live-{number}")).encode()
        request = urllib.request.Request(url, body, headers)  # noqa: S310 — https, as just written
        with urllib.request.urlopen(request, context=context, timeout=60) as answer:  # noqa: S310 — the same
            answer.read()

    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in pool.map(create, range(count)):
            pass


def _workflow(number: str) -> dict[str, Any]:
    """A finished addon job over a few nodes, as Argo stores it: what ran on each node, and a copy of its template."""
    name = f"job-{number}"
    now = datetime.now(UTC)
    begun, ended = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (now - timedelta(minutes=5), now))
    template = yaml.safe_load((TEMPLATES / "addon.yaml").read_text())
    labels = {
        "opsjob.io/job-id": name,
        "opsjob.io/type": "addon",
        "workflows.argoproj.io/completed": "true",
        "workflows.argoproj.io/phase": "Succeeded",
    }
    arguments = {"parameters": [{"name": "nodes", "value": json.dumps([f"node-{n}" for n in range(NODES)])}]}
    status: dict[str, Any] = {
        "phase": "Succeeded",
        "startedAt": begun,
        "finishedAt": ended,
        "progress": f"{NODES}/{NODES}",
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"uid-{number}", "labels": labels},
        "spec": {"workflowTemplateRef": {"name": template["metadata"]["name"]}, "arguments": arguments},
        "status": {
            **status,
            "nodes": {node["id"]: node for n in range(NODES) for node in _steps(name, n, status)},
            "storedWorkflowTemplateSpec": template["spec"],
        },
    }


def _steps(name: str, number: int, status: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The pod of one node, and the retry around it."""
    step = f"{name}[0].nodes[0].group(0:1 to {NODES})[0].node({number}:node-{number})"
    outcome = json.dumps(
        {"node": f"node-{number}", "result": "succeeded", "templates": [{"name": "a", "lastLines": "ok"}]}
    )
    for suffix, kind in (("", "Retry"), ("(0)", "Pod")):
        yield {
            "id": f"{name}-{number}{len(suffix)}",
            "name": f"{step}{suffix}",
            "displayName": f"node({number}:node-{number}){suffix}",
            "type": kind,
            "templateName": "node",
            "templateScope": "local/",
            "hostNodeName": f"node-{number}",
            "inputs": {"parameters": [{"name": "node", "value": f"node-{number}"}]},
            "outputs": {"exitCode": "0", "parameters": [{"name": "outcome", "value": outcome}]},
            **status,
        }

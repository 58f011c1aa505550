"""A rollout of 1,000 reboots fits into one Workflow with room to spare (docs/decisions/0048)."""

import base64
import gzip
import json
import random
import uuid
from typing import Any

from service.jobs import prepare_reboot
from workflow_templates import render
from workflow_templates.protocol.rollout import Phase, Rollout
from workflow_templates.reboot import begin_reboot

#: What Argo's controller writes at most, and etcd takes at most 1.5 MiB.
ARGO_BYTES = 1024 * 1024
SPARE = 0.3
#: DAG; begin and end with an entry for all attempts and one for each; reboot, which has one attempt.
ENTRIES_A_NODE = 6


def entry(chance: random.Random, name: str, node: str, kind: str, template: str, **more: Any) -> dict[str, Any]:
    """As Argo 4.0.7 writes it; ids are hashes, times differ, nothing is left out."""
    second = chance.randrange(86_400)
    at = f"2026-11-24T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
    return {
        "id": f"job-{chance.randrange(2**32)}",
        "name": name,
        "displayName": name.rpartition(".")[2],
        "type": kind,
        "templateName": template,
        "templateScope": "local/rollout-of-reboots-abc123",
        "phase": "Succeeded",
        "boundaryID": f"rollout-of-reboots-abc123-{chance.randrange(2**32)}",
        "startedAt": at,
        "finishedAt": at,
        "progress": "1/1",
        "resourcesDuration": {"cpu": chance.randrange(60), "memory": chance.randrange(60)},
        "taskResultSynced": True,
        "inputs": {"parameters": [{"name": "node", "value": node}, *more.pop("inputs", [])]},
        "children": [f"rollout-of-reboots-abc123-{chance.randrange(2**32)}"],
        "hostNodeName": f"gpu-node-{chance.randrange(1000):04}",
        **more,
    }


def entries_of(chance: random.Random, lane: str, index: int, node: str) -> list[dict[str, Any]]:
    old, new = str(uuid.UUID(int=chance.getrandbits(128))), str(uuid.UUID(int=chance.getrandbits(128)))
    boot_id = {"name": "boot-id", "value": old}
    pods = [f"team-{chance.randrange(90)}/web-{chance.getrandbits(40):x}-{chance.getrandbits(20):x}" for _ in range(30)]
    evicted = {"name": "evicted", "value": begin_reboot.listed(pods, 1000), "valueFrom": {"path": "/tmp/evicted.json"}}  # noqa: S108
    seconds = chance.randrange(60, 1800)
    content = {"message": f"rebooted and Ready after {seconds} s", "newBootId": new, "secondsDown": seconds}
    outcome = {"name": "outcome", "value": json.dumps({**content, "secondsToReady": seconds})}
    begun, ended = {"parameters": [boot_id, evicted], "exitCode": "0"}, {"parameters": [outcome], "exitCode": "0"}
    name = f"{lane}.node({index}:{node})"
    told = {"inputs": [boot_id]}
    return [
        entry(chance, name, node, "DAG", "node"),
        entry(chance, f"{name}.begin", node, "Retry", "begin", outputs=begun),
        entry(chance, f"{name}.begin(0)", node, "Pod", "begin", outputs=begun),
        entry(chance, f"{name}.reboot", node, "Pod", "reboot", **told, outputs={"parameters": [], "exitCode": "0"}),
        entry(chance, f"{name}.end", node, "Retry", "end", **told, outputs=ended),
        entry(chance, f"{name}.end(0)", node, "Pod", "end", **told, outputs=ended),
    ]


def size(count: int, at_once: int) -> int:
    """Bytes of the Workflow of so many nodes, as Argo writes it: its entries are sorted by id and compressed."""
    chance = random.Random(count)  # noqa: S311 - the same size each time
    nodes = tuple(f"gpu-node-{index:04}.cluster.example.com" for index in range(count))
    rollout = Rollout(phases=(Phase(nodes),), at_once=at_once)
    entries = []
    for index, node in enumerate(nodes):
        lane = f"rollout-of-reboots-abc123[0].phase(0:1)[0].nodes[0].lane({index % at_once}:{index} of {at_once})[0]"
        entries += entries_of(chance, lane, index // at_once, node)
    assert len(entries) == ENTRIES_A_NODE * count
    packed = base64.b64encode(
        gzip.compress(
            json.dumps({one["id"]: one for one in entries}, separators=(",", ":"), sort_keys=True).encode(),
            compresslevel=6,
        )
    )
    arguments = json.dumps([{"name": name, "value": value} for name, value in rollout.parameters.items()])
    # The spec's arguments, and once more in what Argo keeps of the template; its templates it keeps twice, by name too.
    return len(packed) + 2 * len(arguments) + 2 * len(render.rendered("reboot-rollout"))


def test_the_most_nodes_of_one_job_fit_with_30_percent_to_spare() -> None:
    assert prepare_reboot.MAX_ROLLOUT_NODES == 700
    assert size(prepare_reboot.MAX_ROLLOUT_NODES, at_once=20) < (1 - SPARE) * ARGO_BYTES


def test_a_long_list_of_evicted_pods_is_cut() -> None:
    pods = [f"team/pod-{index}" for index in range(100)]
    kept = json.loads(begin_reboot.listed(pods, 1000))
    assert kept[:2] == pods[:2]
    assert kept[-1] == f"and {100 - len(kept) + 1} more"
    assert json.loads(begin_reboot.listed(pods[:3], 1)) == pods[:3]

"""The API document's own request bodies, for /openapi.json and for the tests that send them as they are."""

from typing import Any

ADDON: dict[str, Any] = {
    "name": "addon-upgrade",
    "type": "addon",
    "inputs": [
        {"name": "addon.template", "value": "disable-os-upgrade"},
        {"name": "workspace", "value": "prod-cluster-ai-team"},
    ],
    "batchCount": 2,
    "availableRatio": 1.0,
    "securityUpgrade": True,
    "timeoutSecond": 1800,
    "excludedNodes": ["node-id1"],
    "ttlSecondsAfterFinished": 600,
    "isTolerateAll": False,
}
PREFLIGHT: dict[str, Any] = {
    "name": "preflight-check",
    "type": "preflight",
    "inputs": [{"name": "cluster", "value": "prod-cluster"}],
    "resource": {"cpu": "8", "memory": "32Gi"},
    "image": "harbor.example.com/tools/preflight:latest",
    "entryPoint": "YmFzaCAtYyAnZWNobyAnJw==",
    "env": {"CHECK_DISK": "true"},
    "ttlSecondsAfterFinished": 3600,
    "timeoutSecond": 7200,
    "isTolerateAll": True,
    "hostpath": ["/nfs_models"],
}
DUMPLOG: dict[str, Any] = {
    "name": "dump-training-log",
    "type": "dumplog",
    "inputs": [{"name": "workload", "value": "my-training-job-abc123"}],
    "timeoutSecond": 1800,
}
REBOOT: dict[str, Any] = {
    "name": "reboot-node",
    "type": "reboot",
    "inputs": [{"name": "node", "value": "gpu-node-001"}],
    "ttlSecondsAfterFinished": 3600,
}
EXPORTIMAGE: dict[str, Any] = {
    "name": "export-workload-image",
    "type": "exportimage",
    "inputs": [{"name": "workload", "value": "pytorch-training-001"}],
    "timeoutSecond": 3600,
}

EXAMPLES = (ADDON, PREFLIGHT, DUMPLOG, REBOOT, EXPORTIMAGE)

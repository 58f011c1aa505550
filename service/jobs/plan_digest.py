"""One number for what a job would do, so that what a dry run showed is what runs (contract: ?expectedPlan)."""

import hashlib
import json

from service.jobs.submit import Resolved
from workflow_templates.protocol.check_pods import REQUEST_FILE

#: Made anew for each job: the names by which the checks of a preflight reach each other, and what else is noted of its
#: plan, why nodes are left out included.
_MADE_ANEW = frozenset({"peers", "plan.json"})


def plan_digest(resolved: Resolved) -> str:
    """SHA-256, in hexadecimal, of the nodes, those left out, and the texts and parameters that run on them.

    Why a node is left out does not count: `is locked by job X` may change without the plan.
    """
    plan, work = resolved.selection.plan, resolved.work
    content = {
        "workspace": resolved.selection.workspace_id,
        "nodes": plan.names,
        "excluded": sorted(node.name for node in plan.excluded),
        "inputs": [(item.name, item.value) for item in work.inputs],
        "files": {name: _lasting(name, text) for name, text in work.files.items() if name not in _MADE_ANEW},
        "parameters": {name: text for name, text in work.parameters.items() if name not in _MADE_ANEW},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _lasting(name: str, text: str) -> str:
    """What of a file is the same whenever the same job is planned."""
    if name != REQUEST_FILE:
        return text
    return json.dumps({key: value for key, value in json.loads(text).items() if key not in _MADE_ANEW})

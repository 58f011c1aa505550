"""From Hera to the YAML that the chart ships: python -m workflow_templates.render [--check]."""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from workflow_templates.addon import template as addon
from workflow_templates.dumplog import template as dumplog
from workflow_templates.dumplog import template_with_nodes as dumplog_with_nodes
from workflow_templates.exportimage import template as exportimage
from workflow_templates.preflight import template as preflight
from workflow_templates.protocol import labels
from workflow_templates.reboot import lanes_template as reboot_rollout
from workflow_templates.reboot import template as reboot
from workflow_templates.template_parts import IMAGE, PULL_POLICY

FOLDER = Path(__file__).parents[1] / "charts" / "opsjobs" / "files" / "workflowtemplates"
#: By file. A type has a second one, type-something, where a value of the chart decides between them.
TEMPLATES = {
    "addon": addon,
    "dumplog": dumplog,
    "dumplog-with-nodes": dumplog_with_nodes,
    "exportimage": exportimage,
    "preflight": preflight,
    "reboot": reboot,
    "reboot-rollout": reboot_rollout,
}


def job_type(name: str) -> str:
    """The type whose jobs a template runs."""
    return name.partition("-")[0]


def source(name: str) -> str:
    """The module that a template is rendered from, as a path."""
    return f"{TEMPLATES[name].__name__.replace('.', '/')}.py"


def rendered(name: str) -> str:
    """A WorkflowTemplate as YAML."""
    manifest = json.loads(json.dumps(TEMPLATES[name].build().to_dict()))
    for template in manifest["spec"]["templates"]:
        if template.get("container", {}).get("image") == IMAGE:
            # Hera takes only Kubernetes' three words here.
            template["container"]["imagePullPolicy"] = PULL_POLICY
    manifest["metadata"] = _metadata(name, manifest["spec"])
    text: str = yaml.safe_dump(manifest, sort_keys=False, width=120, allow_unicode=True)
    return f"# Made by `make render` from {source(name)}; do not edit.\n{text}"


def _metadata(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A name that never changes its meaning (docs/decisions/0004)."""
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:8]
    return {
        "name": f"opsjob-{job_type(name)}-{digest}",
        "labels": {labels.JOB_TYPE: job_type(name)},
        "annotations": {labels.ARGO_DESCRIPTION: TEMPLATES[name].DESCRIPTION},
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true", help="only say whether the files are current")
    check = parser.parse_args().check
    stale = []
    for name in TEMPLATES:
        path, text = FOLDER / f"{name}.yaml", rendered(name)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.name)
        if not check:
            FOLDER.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale and check:
        sys.stderr.write(f"not current, run `make render`: {', '.join(stale)}\n")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())

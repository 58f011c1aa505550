"""The step of an export as a process of its own, to which signals can be sent: all it needs is on its command line."""

import json
import sys
from pathlib import Path

import httpx

from tests.unit.workflow_templates.apiserver import NAMESPACE
from workflow_templates.exportimage.crane import Crane
from workflow_templates.exportimage.export import Export, Exporter, end
from workflow_templates.kubernetes_api import Cluster

if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    folder = Path(given["folder"])
    crane = Crane(folder / "crane", Path(given["authorities"]), given["program"])
    cluster = Cluster(httpx.Client(base_url=given["cluster"], trust_env=False), NAMESPACE)
    export = Export.read(folder / "export.json")
    sys.exit(end(Exporter("job-1", export, crane, cluster, credentials=folder / "credentials"), folder))

"""What happens to our Workflows, for ever.

Only metadata is asked for: ten thousand live Workflows cost a few megabytes once, and nothing is kept.
"""

from collections.abc import Sequence

from service.jobs.ports import WorkflowEvent
from service.kube.client import Api, Object
from service.kube.collection_watch import CollectionWatch, Pace


class WorkflowWatch(CollectionWatch[WorkflowEvent]):
    """Every Workflow once per list (then `name` None with all that exist), and each change as it happens."""

    what = "workflow"
    absent = "Kubernetes has no Workflows: is Argo Workflows installed?"
    metadata = True

    def __init__(self, api: Api, path: str, selector: str, pace: Pace | None = None) -> None:
        super().__init__(api, path, {"labelSelector": selector}, pace)

    def event(self, item: Object, *, deleted: bool = False, listed: bool = False) -> WorkflowEvent:
        metadata = item["metadata"]
        return WorkflowEvent(
            name=metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            deleted=deleted,
            listed=listed,
        )

    def relisted(self, listed: Sequence[WorkflowEvent], version: str) -> WorkflowEvent:
        seen = frozenset(event.name for event in listed if event.name)
        return WorkflowEvent(name=None, resource_version=version, seen=seen)

from service.domain.cluster_objects import Container, Pod
from service.kube.client import Api, Object
from workflow_templates.protocol.api_path import api_path


async def pod(api: Api, namespace: str, name: str) -> Pod | None:
    """One pod by names that Kubernetes itself gave; None: it is gone."""
    item = await api.get(api_path("v1", "pods", namespace=namespace, name=name))
    return pod_of(item) if item else None


def pod_of(item: Object) -> Pod:
    metadata, spec, status = item["metadata"], item["spec"], item.get("status", {})
    return Pod(
        name=metadata["name"],
        namespace=metadata["namespace"],
        containers=_containers(spec["containers"], status.get("containerStatuses")),
        init_containers=_containers(spec.get("initContainers", []), status.get("initContainerStatuses")),
        pull_secrets=tuple(secret["name"] for secret in spec.get("imagePullSecrets", []) if secret.get("name")),
    )


def _containers(specs: list[Object], statuses: list[Object] | None) -> tuple[Container, ...]:
    """In the order of the spec, which the statuses need not have."""
    known = {status["name"]: status for status in statuses or ()}
    return tuple(_container(spec, known.get(spec["name"], {})) for spec in specs)


def _container(spec: Object, status: Object) -> Container:
    waiting = status.get("state", {}).get("waiting") or {}
    reasons = [waiting.get("reason", ""), waiting.get("message", "")]
    return Container(
        name=spec["name"],
        image=spec.get("image", ""),
        image_id=status.get("imageID", ""),
        waits_for=": ".join(filter(None, reasons)),
        runtime=status.get("containerID", "").partition("://")[0],
    )

from typing import Any

import yaml

from local_cluster.argo import fitted


def deployment(name: str, image: str) -> dict[str, Any]:
    container = {"image": image, "args": [], "env": [], "readinessProbe": {"httpGet": {"scheme": "HTTPS"}}}
    return {
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": [container], "nodeSelector": {"kubernetes.io/os": "linux"}}}},
    }


def container_of(manifest: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = manifest["spec"]["template"]["spec"]["containers"][0]
    return container


def test_the_controller_runs_the_version_that_was_built_and_notices_soon() -> None:
    controller = container_of(fitted(deployment("workflow-controller", "quay.io/argoproj/workflow-controller:latest")))
    assert controller["image"] == "quay.io/argoproj/workflow-controller:v4.0.7"
    assert {"name": "DEFAULT_REQUEUE_TIME", "value": "300ms"} in controller["env"]


def test_the_server_is_asked_by_the_scheme_it_speaks() -> None:
    server = container_of(fitted(deployment("argo-server", "quay.io/argoproj/argocli:latest")))
    assert "--secure=false" in server["args"]
    assert server["readinessProbe"]["httpGet"]["scheme"] == "HTTP"


def test_the_engine_stays_off_the_nodes_that_reboot() -> None:
    pod = fitted(deployment("argo-server", "x:latest"))["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"node-role.kubernetes.io/control-plane": ""}
    assert pod["tolerations"] == [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]


def test_the_controller_writes_no_event_for_each_step() -> None:
    def settings(name: str) -> dict[str, Any]:
        return {"kind": "ConfigMap", "metadata": {"name": name}}

    fitted_settings = fitted(settings("workflow-controller-configmap"))
    assert yaml.safe_load(fitted_settings["data"]["nodeEvents"]) == {"enabled": False}
    assert fitted(settings("another")) == settings("another")


def test_only_the_servers_service_is_opened() -> None:
    def service(name: str) -> dict[str, Any]:
        return {"kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 2746}]}}

    assert fitted(service("argo-server"))["spec"]["type"] == "NodePort"
    assert fitted(service("metrics")) == service("metrics")


def test_everything_else_stays_as_it_is_published() -> None:
    role = {"kind": "ClusterRole", "metadata": {"name": "argo-cluster-role"}, "rules": [{"verbs": ["get"]}]}
    assert fitted(dict(role)) == role

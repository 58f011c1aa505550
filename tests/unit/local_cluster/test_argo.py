from typing import Any

import yaml

from local_cluster.argo import fitted

PROGRAM = "argo-0123"


def deployment(name: str, image: str) -> dict[str, Any]:
    container = {"image": image, "args": [], "env": [], "readinessProbe": {"httpGet": {"scheme": "HTTPS"}}}
    spec = {"containers": [container], "nodeSelector": {"kubernetes.io/os": "linux"}}
    return {
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"template": {"metadata": {"labels": {"app": name}}, "spec": spec}},
    }


def container_of(manifest: dict[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = manifest["spec"]["template"]["spec"]["containers"][0]
    return container


def test_the_controller_runs_the_version_that_was_built_and_notices_soon() -> None:
    official = deployment("workflow-controller", "quay.io/argoproj/workflow-controller:latest")
    controller = container_of(fitted(official, PROGRAM))
    assert controller["image"] == "quay.io/argoproj/workflow-controller:v4.0.7"
    assert {"name": "DEFAULT_REQUEUE_TIME", "value": "300ms"} in controller["env"]


def test_the_server_speaks_tls_and_lends_nobody_its_own_rights() -> None:
    server = container_of(fitted(deployment("argo-server", "quay.io/argoproj/argocli:latest"), PROGRAM))
    assert [word for word in server["args"] if word.startswith("--auth-mode")] == ["--auth-mode=client"]
    assert "--tls-certificate-secret-name=argo-server-tls" in server["args"]
    assert server["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"


def test_nothing_covers_the_first_page() -> None:
    server = container_of(fitted(deployment("argo-server", "x:latest"), PROGRAM))
    assert {"name": "FIRST_TIME_USER_MODAL", "value": "false"} in server["env"]


def test_another_program_under_the_same_tag_is_another_pod() -> None:
    first, second = (
        fitted(deployment("argo-server", "x:latest"), program)["spec"]["template"]["metadata"]
        for program in ("argo-1", "argo-ui-2")
    )
    assert first != second


def test_the_engine_stays_off_the_nodes_that_reboot() -> None:
    pod = fitted(deployment("argo-server", "x:latest"), PROGRAM)["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"node-role.kubernetes.io/control-plane": ""}
    assert pod["tolerations"] == [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]


def test_the_controller_writes_no_event_for_each_step() -> None:
    def settings(name: str) -> dict[str, Any]:
        return {"kind": "ConfigMap", "metadata": {"name": name}}

    fitted_settings = fitted(settings("workflow-controller-configmap"), PROGRAM)
    assert yaml.safe_load(fitted_settings["data"]["nodeEvents"]) == {"enabled": False}
    assert fitted(settings("another"), PROGRAM) == settings("another")


def test_only_the_servers_service_is_opened() -> None:
    def service(name: str) -> dict[str, Any]:
        return {"kind": "Service", "metadata": {"name": name}, "spec": {"ports": [{"port": 2746}]}}

    assert fitted(service("argo-server"), PROGRAM)["spec"]["type"] == "NodePort"
    assert fitted(service("metrics"), PROGRAM) == service("metrics")


def test_everything_else_stays_as_it_is_published() -> None:
    role = {"kind": "ClusterRole", "metadata": {"name": "argo-cluster-role"}, "rules": [{"verbs": ["get"]}]}
    assert fitted(dict(role), PROGRAM) == role

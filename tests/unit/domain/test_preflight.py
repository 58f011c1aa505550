"""What an order of preflight may ask for, and what becomes of it."""

import base64
import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from service.domain.job import ExcludedNode, Plan, PlannedNode
from service.domain.preflight import Allowed, faults, files, narrowed, peer, pod_spec_patch, script

ALLOWED = Allowed(host_paths=("/var/log", "/nfs_models"), security_context={"allowPrivilegeEscalation": False})
PLAN = Plan(tuple(PlannedNode(name) for name in ("b", "a", "c")), (ExcludedNode("d", "is NotReady"),))


def asked(**options: Any) -> dict[str, Any]:
    return {"image": "registry.example.com:5000/tools/check:1.2", "entryPoint": "bHM=", **options}


def refused(**options: Any) -> dict[str, str]:
    return {fault.path: fault.message for fault in faults(asked(**options), ALLOWED)}


def patch(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pod_spec_patch(asked(**options), ALLOWED))
    return found


def main(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in patch(**options)["containers"] if item["name"] == "main")
    return found


@pytest.mark.parametrize("path", ["/var/log", "/var/log/pods", "/nfs_models/a/b"])
def test_an_allowed_directory_and_what_is_below_may_be_mounted(path: str) -> None:
    assert refused(hostpath=[path]) == {}


@pytest.mark.parametrize(
    "path", ["/", "/var", "/var/logs", "/etc", "/nfs", "/var/log/{{workflow.name}}", "/var/log/\n"]
)
def test_no_other_path_may(path: str) -> None:
    found = refused(hostpath=["/var/log", path])
    assert list(found) == ["hostpath[1]"]
    assert "/var/log, /nfs_models" in found["hostpath[1]"]


@pytest.mark.parametrize("path", ["/etc", "/etc/opsjob", "/etc/opsjob/x", "/opsjob", "/var/run", "/run/argo", "/dev"])
def test_what_would_hide_the_pods_own_may_not(path: str) -> None:
    (fault,) = faults(asked(hostpath=[path]), Allowed(host_paths=("/etc", "/opsjob", "/var/run", "/run", "/dev")))
    assert fault.path == "hostpath[0]"
    assert repr(path) in fault.message
    assert "the pod of a check has its own" in fault.message


@pytest.mark.parametrize(("shared", "refused"), [({}, 0), ({"sharedMemory": "1Gi"}, 1)])
def test_the_hosts_shared_memory_may_be_mounted_where_none_of_its_own_is_asked_for(
    shared: dict[str, str], refused: int
) -> None:
    found = list(faults(asked(hostpath=["/dev/shm"], resource=shared), Allowed(host_paths=("/dev/shm",))))  # noqa: S108
    assert len(found) == refused
    assert all("its own /dev/shm" in fault.message for fault in found)


def test_what_a_check_may_write_to_is_mounted_as_it_is_named_and_nothing_below() -> None:
    """Where one job may have left a link to anywhere on the host."""
    allowed = Allowed(host_paths=("/scratch",), host_paths_writable=True)
    assert not list(faults(asked(hostpath=["/scratch"]), allowed))
    (fault,) = faults(asked(hostpath=["/scratch/link"]), allowed)
    assert "only /scratch (the chart's value preflight.hostPaths)" in fault.message


def test_where_nothing_is_allowed_the_value_is_named() -> None:
    (fault,) = faults(asked(hostpath=["/var/log"]), Allowed())
    assert "no host path" in fault.message
    assert "preflight.hostPaths" in fault.message


def test_every_fault_is_named_at_once() -> None:
    found = refused(image="a{{b}}", entryPoint="no", hostpath=["/etc", "/root"], resource={"gpu": "500m"})
    assert set(found) == {"image", "entryPoint", "hostpath[0]", "hostpath[1]", "resource.gpu"}


@pytest.mark.parametrize("text", ["not base64!", base64.b64encode(b"\xff\xfe").decode(), "", "IAo="])
def test_an_entry_point_is_base64_of_a_command(text: str) -> None:
    assert "must be Base64 of" in refused(entryPoint=text)["entryPoint"]


@given(st.text(min_size=1).filter(str.strip))
def test_any_text_is_a_command(text: str) -> None:
    entry_point = base64.b64encode(text.encode()).decode()
    assert refused(entryPoint=entry_point) == {}
    assert script(entry_point) == text


@pytest.mark.parametrize(
    "image", ["busybox", "busybox:1", "localhost:5000/a/b_c@sha256:0123abcd", "Registry.example.com/x-y/z:V1.0-rc_2"]
)
def test_images_as_they_are_written(image: str) -> None:
    assert refused(image=image) == {}


def test_the_users_container_has_no_token_and_argos_have() -> None:
    found = patch(hostpath=["/var/log"])
    assert found["automountServiceAccountToken"] is False
    mounts = {item["name"]: item.get("volumeMounts", []) for item in found["containers"] + found["initContainers"]}
    token = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert {name for name, items in mounts.items() if any(item["mountPath"] == token for item in items)} == {
        "init",
        "wait",
    }


def test_resources_are_requests_and_limits() -> None:
    resource = {
        "cpu": "8",
        "memory": "32Gi",
        "gpu": "2",
        "ephemeralStorage": "1Gi",
        "sharedMemory": "4Gi",
        "replica": 3,
    }
    found = main(resource=resource)
    limits = {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2", "ephemeral-storage": "1Gi"}
    assert found["resources"] == {"requests": limits, "limits": limits}
    assert {"name": "shared-memory", "mountPath": "/dev/shm"} in found["volumeMounts"]  # noqa: S108 - in the pod
    assert {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}} in patch(resource=resource)[
        "volumes"
    ]


@pytest.mark.parametrize(("resource", "has_room"), [({"ephemeralStorage": "64Mi"}, True), ({"cpu": "1"}, False)])
def test_a_limit_of_storage_leaves_room_for_argos_executor(resource: dict[str, str], *, has_room: bool) -> None:
    """It lies in a volume of the pod, and the kubelet evicts a pod whose volumes exceed its containers' limits."""
    (wait,) = [one for one in patch(resource=resource)["containers"] if one["name"] == "wait"]
    room = {"requests": {"ephemeral-storage": "0"}, "limits": {"ephemeral-storage": "512Mi"}}
    assert wait.get("resources") == (room if has_room else None)


def test_the_gpus_name_is_the_vendors() -> None:
    found = json.loads(pod_spec_patch(asked(resource={"gpu": "1"}), Allowed(gpu_resource="amd.com/gpu")))
    assert found["containers"][1]["resources"]["limits"] == {"amd.com/gpu": "1"}


@pytest.mark.parametrize("writable", [False, True])
def test_host_paths_are_mounted_where_they_are(writable: bool) -> None:  # noqa: FBT001 - a parameter
    allowed = Allowed(host_paths=("/var/log",), host_paths_writable=writable)
    found = json.loads(pod_spec_patch(asked(hostpath=["/var/log/a", "/var/log", "/var/log/a"]), allowed))
    mounts = found["containers"][1]["volumeMounts"]
    assert [(mount["mountPath"], mount["readOnly"]) for mount in mounts] == [
        ("/var/log/a", not writable),
        ("/var/log", not writable),
    ], "a path twice would not be a pod"
    assert [volume["hostPath"]["path"] for volume in found["volumes"] if "hostPath" in volume] == [
        "/var/log/a",
        "/var/log",
    ]


def test_nothing_of_the_environment_is_in_the_patch() -> None:
    assert "sesame" not in pod_spec_patch(asked(env={"A": "sesame"}), ALLOWED)


@given(st.text(), st.text())
def test_what_passes_holds_nothing_that_argo_would_replace(image: str, path: str) -> None:
    options = asked(image=image, hostpath=[f"/var/log/{path}"])
    if not list(faults(options, ALLOWED)):
        assert "{{" not in pod_spec_patch(options, ALLOWED) + image


@given(st.text())
def test_the_patch_is_the_same_read_as_yaml(path: str) -> None:
    """As which the template has it, with what varies by node beside it."""
    options = asked(hostpath=[f"/var/log/{path}"])
    if not list(faults(options, ALLOWED)):
        patch = pod_spec_patch(options, ALLOWED)
        assert yaml.safe_load(f'<<: {patch}\nhostname: "a"\n') == {**json.loads(patch), "hostname": "a"}


@given(st.text(), st.text(alphabet="0123456789abcdef", min_size=8, max_size=8))
def test_a_peer_is_a_host_name(node: str, job: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", peer(node, job))


@pytest.mark.parametrize(("replica", "planned"), [(None, "bac"), (1, "a"), (2, "ab"), (3, "bac"), (9, "bac")])
def test_replica_takes_the_first_by_name(replica: int | None, planned: str) -> None:
    found = narrowed(PLAN, replica)
    assert "".join(found.names) == planned
    left_out = {node.name: node.reason for node in found.excluded}
    assert set(found.names) | set(left_out) == set("abcd")
    assert left_out["d"] == "is NotReady"
    assert all("resource.replica" in left_out[name] for name in set("abc") - set(planned))


def test_the_pods_files_are_the_text_as_it_was_sent() -> None:
    found = files(PLAN, asked(), 'a "name"', "echo {{workflow.name}} '\\n", "p0")
    assert found["entrypoint"] == "echo {{workflow.name}} '\\n"
    assert found["nodes"] == "b\na\nc\n"
    # In the order of ranks; the digits are those of the name's SHA-256.
    assert found["peers"] == "".join(
        f"p0-{digits}.opsjob-peers\n" for digits in ("3e23e8160039", "ca978112ca1b", "2e7d2c03a950")
    )
    assert json.loads(found["plan.json"]) == {
        "name": 'a "name"',
        "image": asked()["image"],
        "excluded": [{"name": "d", "reason": "is NotReady"}],
    }

"""What an order of preflight may ask for, and what becomes of it."""

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.job import ExcludedNode, Plan, PlannedNode
from service.domain.preflight import Allowed, cannot_mount_below, faults, files, narrowed, request, script
from workflow_templates.preflight.check_pod import CheckPlacement, Request, manifest
from workflow_templates.protocol.check_pods import peer

ALLOWED = Allowed(host_paths=("/var/log", "/nfs_models"), security_context={"allowPrivilegeEscalation": False})
PLAN = Plan(tuple(PlannedNode(name) for name in ("b", "a", "c")), (ExcludedNode("d", "is NotReady"),))


def asked(**options: Any) -> dict[str, Any]:
    return {"image": "registry.example.com:5000/tools/check:1.2", "entryPoint": "bHM=", **options}


def refused(**options: Any) -> dict[str, str]:
    return {fault.path: fault.message for fault in faults(asked(**options), ALLOWED)}


def pod(options: dict[str, Any], allowed: Allowed = ALLOWED, *, recursive: bool = True, timeout: int = 0) -> Any:
    """The pod of a check, as the job's steps make it of what the service writes down."""
    wanted = request(options, allowed, peers="p0", deadline_seconds=timeout, recursive=recursive)
    place = CheckPlacement(namespace="checks", job="job-1", owner_uid="u", runner="r")
    return manifest(Request(**json.loads(json.dumps(wanted))), place, "gpu-1")["spec"]


def main(*args: Any, **options: Any) -> Any:
    return pod(*args, **options)["containers"][0]


@pytest.mark.parametrize("path", ["/var/log", "/var/log/pods", "/nfs_models/a/b"])
def test_an_allowed_directory_and_what_is_below_may_be_mounted(path: str) -> None:
    assert refused(hostpath=[path]) == {}


@pytest.mark.parametrize(
    "path", ["/", "/var", "/var/logs", "/etc", "/nfs", "/var/log/../..", "/var/log/a/", "/var/log/\n"]
)
def test_no_other_path_may(path: str) -> None:
    found = refused(hostpath=["/var/log", path])
    assert list(found) == ["hostpath[1]"]
    assert "/var/log, /nfs_models" in found["hostpath[1]"]


@pytest.mark.parametrize("path", ["/etc", "/etc/opsjob", "/etc/opsjob/x", "/opsjob", "/dev"])
def test_what_would_hide_the_pods_own_may_not(path: str) -> None:
    (fault,) = faults(asked(hostpath=[path]), Allowed(host_paths=("/etc", "/opsjob", "/dev")))
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


def test_a_check_has_no_token_and_one_container() -> None:
    found = pod(asked(hostpath=["/var/log"]))
    assert found["automountServiceAccountToken"] is False
    assert found["serviceAccountName"] == "default"
    assert [container["name"] for container in found["containers"]] == ["main"]
    assert "initContainers" not in found
    assert not [volume for volume in found["volumes"] if "projected" in volume or "secret" in volume]


def test_resources_are_requests_and_limits() -> None:
    resource = {
        "cpu": "8",
        "memory": "32Gi",
        "gpu": "2",
        "ephemeralStorage": "1Gi",
        "sharedMemory": "4Gi",
        "replica": 3,
    }
    found = pod(asked(resource=resource))
    limits = {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2", "ephemeral-storage": "1Gi"}
    container = found["containers"][0]
    assert container["resources"] == {"requests": limits, "limits": limits}
    assert {"name": "shared-memory", "mountPath": "/dev/shm"} in container["volumeMounts"]  # noqa: S108 - in the pod
    assert {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}} in found["volumes"]


def test_what_a_request_does_not_name_has_the_limits_of_the_chart() -> None:
    allowed = Allowed(default_limits={"cpu": "4", "memory": "1Gi"})
    assert main(asked(resource={"cpu": "1", "gpu": "0"}), allowed)["resources"]["limits"] == {
        "cpu": "1",
        "memory": "1Gi",
    }
    assert main(asked())["resources"] == {}


@pytest.mark.parametrize(("gpus", "runtime"), [({"gpu": "1"}, "nvidia"), ({"gpu": "0"}, None), ({}, None)])
def test_the_gpus_name_is_the_vendors_and_their_pods_have_its_runtime(
    gpus: dict[str, str], runtime: str | None
) -> None:
    found = pod(asked(resource=gpus), Allowed(gpu_resource="amd.com/gpu", runtime_class="nvidia"))
    assert ("amd.com/gpu" in found["containers"][0]["resources"].get("limits", {})) is bool(runtime)
    assert found.get("runtimeClassName") == runtime


@pytest.mark.parametrize(("recursive", "enabled"), [(True, "Enabled"), (False, None)])
def test_a_directory_is_mounted_where_it_is_and_one_below_through_it(*, recursive: bool, enabled: str | None) -> None:
    """The kubelet opens a subPath without following links out of its volume."""
    found = pod(asked(hostpath=["/var/log/a/b", "/var/log", "/var/log/a/b"]), recursive=recursive)
    mounts = [mount for mount in found["containers"][0]["volumeMounts"] if mount["name"].startswith("host-")]
    assert [(mount["mountPath"], mount.get("subPath"), mount["readOnly"]) for mount in mounts] == [
        ("/var/log/a/b", "a/b", True),
        ("/var/log", None, True),
    ], "a path twice would not be a pod"
    assert {mount.get("recursiveReadOnly") for mount in mounts} == {enabled}
    assert [volume["hostPath"]["path"] for volume in found["volumes"] if "hostPath" in volume] == ["/var/log"]


def test_a_directory_that_may_be_written_to_is_mounted_so() -> None:
    allowed = Allowed(host_paths=("/scratch",), host_paths_writable=True)
    (mount,) = [one for one in main(asked(hostpath=["/scratch"]), allowed)["volumeMounts"] if one["name"] == "host-0"]
    assert mount == {"name": "host-0", "mountPath": "/scratch"}


def test_what_is_below_is_refused_where_a_runtime_leaves_other_file_systems_there_writable() -> None:
    options = asked(hostpath=["/var/log", "/nfs_models/a"])
    assert not list(cannot_mount_below(options, ALLOWED, []))
    (fault,) = cannot_mount_below(options, ALLOWED, ["gpu-1", "gpu-2"])
    assert fault.path == "hostpath[1]"
    assert "gpu-1 and 1 more cannot mount recursively read-only" in fault.message
    assert "only /var/log, /nfs_models as they are" in fault.message


@pytest.mark.parametrize(
    ("image", "refused"),
    [
        ("example.com/tools/check:1.2", False),
        ("example.com/tools/check@sha256:ab", False),
        ("example.com/own/a/b", False),
        ("example.com/tools/checks", True),
        ("example.com/tools/check/more", True),
        ("example.com/own", True),
        ("example.com:5000/tools/check", True),
        ("check", True),
    ],
)
def test_only_images_of_the_repositories_that_are_named(image: str, *, refused: bool) -> None:
    allowed = Allowed(images=("example.com/tools/check", "example.com/own/"))
    found = [fault.message for fault in faults(asked(image=image), allowed)]
    assert bool(found) is refused
    assert all("preflight.images" in message for message in found)


@pytest.mark.parametrize(("timeout", "deadline"), [(60, 60), (0, None), (-1, None)])
def test_the_jobs_timeout_is_its_pods_too(timeout: int, deadline: int | None) -> None:
    assert pod(asked(), timeout=timeout).get("activeDeadlineSeconds") == deadline


def test_nothing_of_the_environment_is_in_what_is_written_down() -> None:
    wanted = request(asked(env={"A": "sesame"}), ALLOWED, peers="p", deadline_seconds=0, recursive=False)
    assert "sesame" not in json.dumps(wanted)


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
    wanted = request(asked(), ALLOWED, peers="p0", deadline_seconds=0, recursive=False)
    found = files(PLAN, 'a "name"', "echo {{workflow.name}} '\\n", wanted)
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

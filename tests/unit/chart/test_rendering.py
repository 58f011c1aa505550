"""What helm makes of the chart."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.chart.rendering import CHART, NAMESPACE, SCENARIOS, Object, Rendered, refusal, render

pytestmark = pytest.mark.programs

POSTGRES: Object = {"database": {"existingSecret": "records"}}

#: A WorkflowTemplate as one of workflow_templates renders it, with both placeholders and Argo's own braces.
WORKFLOW_TEMPLATE = """
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata:
  name: opsjob-addon-0123abcd
  labels: {opsjob.io/type: addon}
spec:
  templates:
    - name: node
      container:
        image: OPSJOBS_IMAGE
        imagePullPolicy: OPSJOBS_IMAGE_PULL_POLICY
        command: [python, -m, workflow_templates.addon.node, --node, "{{inputs.parameters.node}}"]
"""


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """The chart with a WorkflowTemplate and an AddonTemplate of ours in it."""
    copy = tmp_path / "opsjobs"
    shutil.copytree(CHART, copy)
    shutil.rmtree(copy / "files" / "workflowtemplates", ignore_errors=True)
    (copy / "files" / "workflowtemplates").mkdir()
    (copy / "files" / "workflowtemplates" / "addon.yaml").write_text(WORKFLOW_TEMPLATE)
    addon = {
        "apiVersion": "opsjob.io/v1alpha1",
        "kind": "AddonTemplate",
        "metadata": {"name": "braces"},
        "spec": {"script": "echo '{{ .Values.replicas }} {{x}}' \"$1\"\n"},
    }
    (copy / "files" / "addontemplates" / "braces.yaml").write_text(yaml.safe_dump(addon))
    return copy


def pod_templates(rendered: Rendered) -> list[Object]:
    pods = [item["spec"] for item in rendered.kind("Pod")]
    return pods + [item["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for item in rendered.kind(kind)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_every_pod_of_the_release_is_restricted(scenario: Path) -> None:
    pods = pod_templates(render(scenario))
    assert pods
    for pod in pods:
        context = pod["securityContext"]
        assert context["runAsNonRoot"]
        assert context["runAsUser"] > 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any(pod.get(field) for field in ("hostPID", "hostNetwork", "hostIPC"))
        assert all("hostPath" not in volume for volume in pod["volumes"])
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_no_right_is_a_wildcard(scenario: Path) -> None:
    rendered = render(scenario)
    rules = [rule for kind in ("Role", "ClusterRole") for item in rendered.kind(kind) for rule in item["rules"]]
    assert rules
    parts = ("verbs", "resources", "apiGroups", "nonResourceURLs")
    assert not [rule for rule in rules if any("*" in one for part in parts for one in rule.get(part, ()))]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_every_binding_leads_from_an_account_to_a_role_of_the_chart(scenario: Path) -> None:
    rendered = render(scenario)

    def named(kind: str) -> set[tuple[str, str]]:
        return {(home(item), item["metadata"]["name"]) for item in rendered.kind(kind)}

    for binding in rendered.kind("RoleBinding") + rendered.kind("ClusterRoleBinding"):
        role = binding["roleRef"]
        assert (home(binding), role["name"]) in named(role["kind"])
        subjects = {(subject["namespace"], subject["name"]) for subject in binding["subjects"]}
        # Who reads metrics is of another installation, and gets that right alone.
        ours = {READER} if role["name"] == f"{NAMESPACE}-metrics" else named("ServiceAccount")
        assert subjects <= ours


#: As ci/full-values.yaml has it.
READER = ("monitoring", "prometheus")


def home(item: Object) -> str:
    """The namespace helm puts it in; that of cluster-scoped objects does not matter."""
    namespace: str = item["metadata"].get("namespace", NAMESPACE)
    return namespace


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"replicas": 2}, "more than one replica needs PostgreSQL"),
        ({"jobs": {"namespace": NAMESPACE}}, "must not share the service's namespace"),
        ({"persistence": {"hostPath": {"path": "/data"}}}, "set both path and nodeName"),
        ({"persistence": {"existingClaim": "mine", "hostPath": {"path": "/data", "nodeName": "a"}}}, "set one of them"),
        ({"service": {"nodePort": 30080}}, "needs service.type NodePort"),
        ({"objectStore": {"bucket": "ops"}}, "needs endpoint, bucket and existingSecret"),
        ({"replica": 2}, "'replica' not allowed"),
    ],
)
def test_refuses_with_a_sentence(values: Object, sentence: str) -> None:
    assert sentence in refusal(values)


def test_workflow_template_gets_image_namespace_and_stays_when_an_upgrade_replaces_it(chart: Path) -> None:
    rendered = render({"image": {"repository": "example.com/ops", "tag": "1", "pullPolicy": "Always"}}, chart)
    (template,) = rendered.kind("WorkflowTemplate")
    assert template["metadata"]["namespace"] == "opsjobs-jobs"
    assert template["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert template["metadata"]["labels"]["opsjob.io/type"] == "addon"
    container = template["spec"]["templates"][0]["container"]
    assert container["image"] == "example.com/ops:1"
    assert container["imagePullPolicy"] == "Always"
    assert container["command"][-1] == "{{inputs.parameters.node}}"


def test_service_is_told_which_template_runs_which_type(chart: Path) -> None:
    assert json.loads(render({}, chart).settings["OPSJOBS_TEMPLATES"]) == {"addon": "opsjob-addon-0123abcd"}


def test_what_needs_an_object_store_is_installed_only_with_one(chart: Path) -> None:
    folder = chart / "files" / "workflowtemplates"
    volumes = "  volumes:\n    - {name: a, secret: {secretName: OPSJOBS_STORE_SECRET}}\n"
    authority = "    - {name: b, configMap: {name: OPSJOBS_STORE_AUTHORITY, optional: true}}\n"
    text = WORKFLOW_TEMPLATE.replace("addon", "dumplog").replace(
        "  templates:\n", f"{volumes}{authority}  templates:\n"
    )
    (folder / "dumplog.yaml").write_text(text)
    without = render({}, chart)
    assert set(json.loads(without.settings["OPSJOBS_TEMPLATES"])) == {"addon"}
    assert [item["metadata"]["name"] for item in without.kind("WorkflowTemplate")] == ["opsjob-addon-0123abcd"]
    assert not [item for item in without.kind("ConfigMap") if item["metadata"]["name"] == "opsjobs-store"]

    store = {"endpoint": "https://s3.example.com", "bucket": "ops", "existingSecret": "keys", "presignSeconds": 604800}
    rendered = render({"objectStore": store}, chart)
    assert set(json.loads(rendered.settings["OPSJOBS_TEMPLATES"])) == {"addon", "dumplog"}
    template = rendered.one("WorkflowTemplate", "opsjob-dumplog-0123abcd")
    secret, authorities = template["spec"]["volumes"]
    assert secret["secret"]["secretName"] == "keys"
    assert authorities["configMap"] == {"name": "opsjobs-store-authority", "optional": True}
    settings = rendered.one("ConfigMap", "opsjobs-store")
    assert settings["metadata"]["namespace"] == "opsjobs-jobs"
    assert settings["data"]["OPSJOBS_STORE_BUCKET"] == "ops"
    assert settings["data"]["OPSJOBS_STORE_PRESIGN_SECONDS"] == "604800"
    assert settings["data"]["OPSJOBS_STORE_PATH_STYLE"] == "true"


STORE: Object = {
    "endpoint": "https://s3.example.com:8443",
    "bucket": "ops",
    "existingSecret": "keys",
    "prefix": "prod/",
}


def picture_of(values: Object) -> tuple[str, str]:
    """Whether Argo is to show the picture of a preflight job, and its key in the store."""
    (template,) = (item for item in render(values).kind("WorkflowTemplate") if "preflight" in item["metadata"]["name"])
    parts = {part["name"]: part for part in template["spec"]["templates"]}
    (artifact,) = parts["picture"]["outputs"]["artifacts"]
    return parts["finish"]["steps"][1][0]["when"], artifact["s3"]["key"]


def test_argo_reaches_the_same_store_for_what_its_ui_shows() -> None:
    rendered = render({"objectStore": STORE})
    store = yaml.safe_load(rendered.one("ConfigMap", "opsjobs-store-artifacts")["data"]["store"])["s3"]
    assert (store["endpoint"], store["insecure"], store["bucket"]) == ("s3.example.com:8443", False, "ops")
    assert store["accessKeySecret"] == {"name": "keys", "key": "accessKey"}
    assert picture_of({"objectStore": STORE}) == ("'yes' == 'yes'", "prod/preflight/{{workflow.name}}/matrix.html")
    plain = render({"objectStore": STORE | {"endpoint": "http://s3:7070"}})
    assert "insecure: true" in plain.one("ConfigMap", "opsjobs-store-artifacts")["data"]["store"]


@pytest.mark.parametrize("values", [{"caConfigMap": "ca"}, {"insecure": True}])
def test_argo_is_not_asked_for_what_it_cannot_write(values: Object) -> None:
    assert picture_of({"objectStore": STORE | values})[0] == "'no' == 'yes'"


def test_only_who_marks_nodes_may_patch_them() -> None:
    def may(values: Object) -> set[str]:
        role = render({"objectStore": STORE} | values).one("ClusterRole", "opsjobs-preflight")
        return {verb for rule in role["rules"] if "nodes" in rule["resources"] for verb in rule["verbs"]}

    assert may({}) == {"get"}
    assert may({"preflight": {"markLabel": "bad"}}) == {"get", "list", "patch"}


def test_scripts_reach_the_cluster_as_they_are_written(chart: Path) -> None:
    addon = render({}, chart).one("AddonTemplate", "braces")
    assert addon["spec"]["script"] == "echo '{{ .Values.replicas }} {{x}}' \"$1\"\n"


def test_sqlite_has_a_volume_and_one_writer() -> None:
    rendered = render({})
    deployment = rendered.one("Deployment")
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert rendered.settings["OPSJOBS_DATABASE_URL"].startswith("sqlite")
    assert "/data" in [mount["mountPath"] for mount in rendered.service_container["volumeMounts"]]
    assert rendered.one("PersistentVolumeClaim", "opsjobs-records")["metadata"]["annotations"] == {
        "helm.sh/resource-policy": "keep"
    }


def test_postgresql_comes_from_a_secret_and_needs_no_volume() -> None:
    rendered = render(POSTGRES)
    assert "OPSJOBS_DATABASE_URL" not in rendered.settings
    (variable,) = rendered.service_container["env"]
    assert variable == {
        "name": "OPSJOBS_DATABASE_URL",
        "valueFrom": {"secretKeyRef": {"name": "records", "key": "url"}},
    }
    assert rendered.kind("PersistentVolumeClaim") == []
    assert "/data" not in [mount["mountPath"] for mount in rendered.service_container["volumeMounts"]]


def test_migrations_run_before_the_service_on_the_same_store() -> None:
    for values in ({}, POSTGRES):
        pod = render(values).one("Deployment")["spec"]["template"]["spec"]
        (migrate,), (service,) = pod["initContainers"], pod["containers"]
        assert migrate["command"] == ["python3", "-m", "service.records.migrate"]
        for field in ("image", "envFrom", "volumeMounts"):
            assert migrate[field] == service[field]
        assert migrate.get("env") == service.get("env")


def test_a_node_directory_becomes_a_volume_of_that_node_alone() -> None:
    rendered = render({"persistence": {"hostPath": {"path": "/var/lib/opsjobs", "nodeName": "node-1"}}})
    (volume,) = rendered.kind("PersistentVolume")
    claim = rendered.one("PersistentVolumeClaim", "opsjobs-records")
    assert volume["spec"]["local"] == {"path": "/var/lib/opsjobs"}
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    assert volume["spec"]["claimRef"]["name"] == claim["metadata"]["name"]
    terms = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert terms == [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-1"]}]}]


def test_several_replicas_are_spread_and_protected() -> None:
    rendered = render({**POSTGRES, "replicas": 3})
    (budget,) = rendered.kind("PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    pod = rendered.one("Deployment")["spec"]["template"]["spec"]
    assert pod["topologySpreadConstraints"]
    assert pod["containers"][0]["lifecycle"]
    assert render(POSTGRES).kind("PodDisruptionBudget") == []


def test_a_changed_setting_makes_new_pods() -> None:
    def checksum(values: Object) -> str:
        metadata = render(values).one("Deployment")["spec"]["template"]["metadata"]
        found: str = metadata["annotations"]["checksum/settings"]
        return found

    assert checksum({}) != checksum({"clusterId": "other"})
    assert checksum({}) == checksum({"service": {"port": 81}})


def test_a_pod_waits_for_its_dependencies_once_and_stays_in_the_service_without_them() -> None:
    """docs/decisions/0024: with the store away callers get the API's own 503, not a refused connection."""
    container = render({}).service_container
    paths = {
        probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/healthz", "livenessProbe": "/healthz"}


def test_how_long_records_are_kept_is_said_only_where_it_is_set() -> None:
    assert "OPSJOBS_RETENTION_DAYS" not in render({}).settings
    assert render({"database": {"retentionDays": 0}}).settings["OPSJOBS_RETENTION_DAYS"] == "0"
    assert render({"database": {"retentionDays": 90}}).settings["OPSJOBS_RETENTION_DAYS"] == "90"


def test_jobs_namespace_allows_what_steps_do_and_is_made_only_when_wanted() -> None:
    namespace = render({}).one("Namespace", "opsjobs-jobs")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    assert [one["metadata"]["name"] for one in render({"jobs": {"createNamespace": False}}).kind("Namespace")] == [
        "opsjobs-checks"
    ]


@pytest.mark.parametrize(
    ("role", "verbs"),
    [
        ("viewer", {"get", "list"}),
        ("operator", {"create", "get", "list", "update"}),
        ("admin", {"create", "get", "list", "update", "delete"}),
    ],
)
def test_roles_for_people_speak_of_every_job_type(role: str, verbs: set[str]) -> None:
    rules = render({}).one("ClusterRole", f"opsjobs-{role}")["rules"]
    (jobs,) = (rule for rule in rules if "opsjobs/addon" in rule["resources"])
    types = ("addon", "preflight", "dumplog", "reboot", "exportimage")
    assert set(jobs["resources"]) == {f"opsjobs/{job_type}" for job_type in types}
    assert set(jobs["verbs"]) == verbs


def test_a_workspace_user_submits_what_reads_a_workspace_and_changes_no_node() -> None:
    (jobs,) = render({}).one("ClusterRole", "opsjobs-workspace-user")["rules"]
    assert jobs["apiGroups"] == ["opsjob.io"]
    assert set(jobs["resources"]) == {"opsjobs/preflight", "opsjobs/dumplog", "opsjobs/exportimage"}
    assert set(jobs["verbs"]) == {"create", "get", "list"}


def test_only_admins_write_what_runs_as_root() -> None:
    writers: list[Any] = [
        role["metadata"]["name"]
        for role in render({}).kind("ClusterRole")
        for rule in role["rules"]
        if "addontemplates" in rule.get("resources", ()) and {"create", "update", "patch"} & set(rule["verbs"])
    ]
    assert writers == ["opsjobs-admin"]


def test_numbers_reach_the_service_as_they_are_written() -> None:
    settings = render({"jobs": {"defaultTtlSeconds": 31_536_000, "defaultTimeoutSeconds": 10_000_000}}).settings
    assert settings["OPSJOBS_DEFAULT_TTL_SECONDS"] == "31536000"
    assert settings["OPSJOBS_DEFAULT_TIMEOUT_SECONDS"] == "10000000"


def test_what_is_optional_is_off() -> None:
    rendered = render({})
    assert not rendered.kind("ServiceMonitor")
    assert [one["metadata"]["namespace"] for one in rendered.kind("NetworkPolicy")] == ["opsjobs-checks"]
    everything = render(CHART / "ci" / "full-values.yaml")
    assert everything.kind("ServiceMonitor")
    assert everything.kind("NetworkPolicy")
    least = render(CHART / "ci" / "trial-values.yaml")
    assert not least.kind("AddonTemplate")
    assert not least.kind("Job")


def test_a_preflight_job_marks_nodes_only_with_what_is_set() -> None:
    def own(values: Object) -> list[str]:
        (policy,) = (
            p for p in render(values).kind("ValidatingAdmissionPolicy") if p["metadata"]["name"] == "opsjobs-nodes"
        )
        variables = {variable["name"]: variable["expression"] for variable in policy["spec"]["variables"]}
        return [variables[name].split(" ? ")[1] for name in ("ownLabel", "ownTaint")]

    assert own({}) == ['"" : ""', '"" : ""']
    marks = {"markLabel": "example.com/bad=yes", "markTaint": "example.com/sick=a:NoExecute"}
    assert own({"preflight": marks}) == ['"example.com/bad" : ""', '"example.com/sick" : ""']
    assert own({"preflight": {"markTaint": "sick:NoExecute"}})[1] == '"sick" : ""'


def test_limits_reach_the_service() -> None:
    settings = render(
        {
            "limits": {
                "bodyBytes": 1000,
                "inputs": 2,
                "nodes": 3,
                "requestsPerCaller": 4,
                "workloads": 5,
                "streamsPerCaller": 6,
                "streams": 7,
            }
        }
    ).settings
    names = ("BODY_BYTES", "INPUTS", "NODES", "REQUESTS_PER_CALLER", "WORKLOADS", "STREAMS_PER_CALLER", "STREAMS")
    assert [settings[f"OPSJOBS_MAX_{name}"] for name in names] == ["1000", "2", "3", "4", "5", "6", "7"]


def test_the_authority_of_the_databases_certificate_reaches_the_driver_of_service_and_migration() -> None:
    rendered = render({"database": {"existingSecret": "store", "caKey": "authority.pem"}})
    pod = rendered.one("Deployment", "opsjobs")["spec"]["template"]["spec"]
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "database-ca")
    assert volume["secret"]["secretName"] == "store"
    assert volume["secret"]["items"] == [{"key": "authority.pem", "path": "ca.crt"}]
    for container in (*pod["initContainers"], *pod["containers"]):
        env = {variable["name"]: variable.get("value") for variable in container["env"]}
        (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == "database-ca")
        assert (env["PGSSLMODE"], env["PGSSLROOTCERT"]) == ("verify-full", f"{mount['mountPath']}/ca.crt")
    assert "database.caKey" in refusal({"database": {"caKey": "authority.pem"}})
    assert "PGSSL" not in str(render({"database": {"existingSecret": "store"}}).one("Deployment", "opsjobs"))

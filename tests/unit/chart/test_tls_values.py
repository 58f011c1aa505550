"""What the chart makes of the values for TLS, and of those that put a proxy before the service."""

import pytest

from tests.unit.chart.rendering import Object, Rendered, refusal, render

pytestmark = pytest.mark.programs

SECRET: Object = {"tls": {"existingSecret": "front"}}
ISSUER: Object = {"tls": {"certManager": {"issuerRef": {"name": "internal"}, "dnsNames": ["ops.example.com"]}}}
MONITOR: Object = {"metrics": {"serviceMonitor": {"enabled": True}}}


def volumes(rendered: Rendered) -> Object:
    pod = rendered.one("Deployment")["spec"]["template"]["spec"]
    return {volume["name"]: volume for volume in pod["volumes"]}


def probes(rendered: Rendered) -> list[Object]:
    return [rendered.service_container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]


def port(rendered: Rendered) -> Object:
    (found,) = rendered.one("Service")["spec"]["ports"]
    assert isinstance(found, dict)
    return found


def test_without_a_certificate_the_service_speaks_plain_http_inside_the_cluster() -> None:
    plain = render({})
    assert "OPSJOBS_TLS_FOLDER" not in plain.settings
    assert "tls" not in volumes(plain)
    assert {probe["scheme"] for probe in probes(plain)} == {"HTTP"}
    assert port(plain) == {"name": "http", "port": 80, "targetPort": "http", "appProtocol": "http"}


@pytest.mark.parametrize(("values", "secret"), [(SECRET, "front"), (ISSUER, "opsjobs-tls")], ids=["secret", "issuer"])
def test_with_a_certificate_everything_speaks_tls(values: Object, secret: str) -> None:
    rendered = render({**values, **MONITOR, "networkPolicy": {"enabled": True}})
    mounted = {mount["name"]: mount for mount in rendered.service_container["volumeMounts"]}["tls"]
    assert mounted == {"name": "tls", "mountPath": rendered.settings["OPSJOBS_TLS_FOLDER"], "readOnly": True}
    assert volumes(rendered)["tls"]["secret"]["secretName"] == secret
    assert {(probe["scheme"], probe["port"]) for probe in probes(rendered)} == {("HTTPS", "https")}
    assert port(rendered) == {"name": "https", "port": 443, "targetPort": "https", "appProtocol": "https"}
    assert [one["name"] for one in rendered.service_container["ports"]] == ["https"]
    assert rendered.one("NetworkPolicy")["spec"]["ingress"][0]["ports"] == [{"port": "https"}]
    (endpoint,) = rendered.one("ServiceMonitor")["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["scheme"]) == ("https", "https")
    assert endpoint["tlsConfig"] == {
        "serverName": "opsjobs.opsjobs.svc",
        "ca": {"secret": {"name": secret, "key": "ca.crt"}},
    }


def test_only_the_service_itself_gets_the_key() -> None:
    rendered = render(SECRET)
    (migrate,) = rendered.one("Deployment")["spec"]["template"]["spec"]["initContainers"]
    assert "tls" not in {mount["name"] for mount in migrate["volumeMounts"]}
    (source,) = (
        one["secret"]
        for one in rendered.one("Pod", "opsjobs-test")["spec"]["volumes"][0]["projected"]["sources"]
        if "secret" in one
    )
    assert source == {"name": "front", "items": [{"key": "ca.crt", "path": "ca.crt"}]}


def test_helm_test_calls_it_by_the_name_in_the_certificate() -> None:
    values = {"tls": {"existingSecret": "front", "serverName": "ops.example.com", "caKey": ""}}
    (container,) = render(values).one("Pod", "opsjobs-test")["spec"]["containers"]
    given = {one["name"]: one["value"] for one in container["env"]}
    assert given == {"URL": "https://opsjobs.opsjobs.svc:443/api/v1/opsjobs", "SERVER_NAME": "ops.example.com"}


def test_cert_manager_is_asked_for_every_name_of_the_service() -> None:
    spec = render(ISSUER).one("Certificate")["spec"]
    assert spec["issuerRef"] == {"name": "internal", "kind": "Issuer", "group": "cert-manager.io"}
    assert spec["secretName"] == "opsjobs-tls"
    service = "opsjobs.opsjobs"
    assert spec["dnsNames"] == [f"{service}.svc", f"{service}.svc.cluster.local", service, "ops.example.com"]
    assert spec["usages"] == ["server auth"]
    assert not render(SECRET).kind("Certificate")


def test_an_ingress_always_has_tls() -> None:
    spec = render({**SECRET, "ingress": {"enabled": True, "host": "ops.example.com"}}).one("Ingress")["spec"]
    assert spec["tls"] == [{"hosts": ["ops.example.com"]}]
    (path,) = spec["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": "opsjobs", "port": {"name": "https"}}
    assert "needs the name" in refusal({"ingress": {"enabled": True}})


def test_a_route_is_attached_to_the_listener_that_is_named() -> None:
    parent = {"name": "gateway", "namespace": "gateways", "sectionName": "https"}
    spec = render({**SECRET, "httpRoute": {"enabled": True, "parentRefs": [parent]}}).one("HTTPRoute")["spec"]
    assert spec["parentRefs"] == [parent]
    assert spec["rules"] == [{"backendRefs": [{"name": "opsjobs", "port": 443}]}]
    assert "needs the Gateway" in refusal({"httpRoute": {"enabled": True}})


def test_a_secret_and_an_issuer_are_two_answers() -> None:
    both = {"tls": {"existingSecret": "front", "certManager": {"issuerRef": {"name": "internal"}}}}
    assert "set one of them" in refusal(both)

"""Which addresses an export may call."""

from ipaddress import ip_address

import pytest

from workflow_templates.exportimage.egress import Egress

RULES = Egress.of(
    "harbor.example.com:8443", ["10.0.0.0/16", "fd12::/16"], ["10.9.8.7:5000", "mirror.local"], "10.96.0.1"
)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("2002:a9fe:a9fe::1", "link-local"),
        ("127.0.0.1", "this machine"),
        ("127.8.7.6", "this machine"),
        ("::1", "this machine"),
        ("0.0.0.0", "this machine"),
        ("::", "this machine"),
        ("::ffff:127.0.0.1", "this machine"),
        ("224.0.0.1", "multicast"),
        ("10.96.0.1", "the Kubernetes API"),
        ("::ffff:10.96.0.1", "the Kubernetes API"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("10.0.255.255", "exportImage.refusedNetworks"),
        ("fd12::5", "exportImage.refusedNetworks"),
        ("::ffff:10.0.0.1", "exportImage.refusedNetworks"),
    ],
)
def test_refused(address: str, why: str) -> None:
    assert why in RULES.why_not(ip_address(address))


@pytest.mark.parametrize("address", ["192.0.2.1", "10.1.0.1", "10.96.0.22", "2001:db8::1", "fd13::1", "100.64.0.1"])
def test_allowed(address: str) -> None:
    assert RULES.why_not(ip_address(address)) == ""


def test_the_target_is_known_by_its_name_and_port() -> None:
    assert RULES.is_target("Harbor.Example.com", 8443)
    assert not RULES.is_target("harbor.example.com", 443)
    assert not RULES.is_target("harbor.example.com.evil.example", 8443)
    assert Egress(registry="harbor.example.com").is_target("harbor.example.com", 443)


def test_plain_http_is_for_whom_it_is_named() -> None:
    assert RULES.may_speak_http("10.9.8.7", 5000)
    assert RULES.may_speak_http("mirror.local", 80)
    assert not RULES.may_speak_http("10.9.8.7", 80)
    assert not RULES.may_speak_http("mirror.local", 5000)

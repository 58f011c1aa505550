"""What crane says, and what people are told. The first words of each were captured from the real one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_templates.exportimage.faults import Side, fault, fault_of_copy, says_nothing_there, shortened, side_of

URL = "https://h.example.com/v2/custom/team/app"
NOT_VERIFIED = 'Get "https://h.example.com/v2/": tls: failed to verify certificate: x509:'
SAID = {
    "authority": f"{NOT_VERIFIED} certificate signed by unknown authority; GET http://h.example.com/v2/: 400",
    "name": f"{NOT_VERIFIED} certificate is valid for a.example.com, not h.example.com",
    "http": 'Get "https://h.example.com/v2/": http: server gave HTTP response to HTTPS client',
    "refused": f"GET {URL}/manifests/1: UNAUTHORIZED: authentication required; [map[Action:pull Name:team/app]]",
    "refused head": f"HEAD {URL}/manifests/1: unexpected status code 401 Unauthorized (HEAD responses have no body)",
    "denied": f"POST {URL}/blobs/uploads/: DENIED: requested access to the resource is denied",
    "project": f"GET {URL}/manifests/1: UNAUTHORIZED: project custom not found: project custom not found",
    "quota": f"PUT {URL}/manifests/1: DENIED: adding 1.0 MiB of storage resource … exceed the configured upper limit",
    "gone": f"GET {URL}/manifests/sha256:00: MANIFEST_UNKNOWN: manifest unknown; unknown manifest name=team/app",
    "full": f"POST {URL}/blobs/uploads/: UNKNOWN: unknown error; filesystem: write /data/x: no space left on device",
    "many": "GET https://index.docker.io/v2/a/b/manifests/1: TOOMANYREQUESTS: You have reached your pull rate limit.",
    "nowhere": 'Get "https://h.example.com/v2/": dial tcp: lookup h.example.com on 10.96.0.10:53: no such host',
    "down": 'Get "https://h.example.com/v2/": dial tcp 10.0.0.1:443: connect: connection refused',
    "silent": 'Get "https://h.example.com/v2/": dial tcp 10.0.0.1:443: i/o timeout',
    "cut": f'Patch "{URL}/blobs/uploads/1": unexpected EOF',
    "reset": f'Patch "{URL}/blobs/uploads/1": read tcp 10.0.0.2:1->10.0.0.1:443: read: connection reset by peer',
    "broken": f"GET {URL}/manifests/1: unexpected status code 502 Bad Gateway",
    "other": "parsing reference: could not parse reference",
}


@pytest.mark.parametrize(
    ("said", "sentence", "passing"),
    [
        ("authority", "shows a certificate of an authority that is not known here: add its certificate", False),
        ("name", "shows a certificate that is not valid for it", False),
        ("http", "does not speak HTTPS", False),
        ("refused", "refuses our credentials, or the lack of them: look at the Secret", False),
        ("refused head", "refuses our credentials", False),
        ("denied", "refuses our credentials", False),
        ("project", "has no such project: make it there, or name another in exportImage.project", False),
        ("quota", "refuses: the quota of the project is used up", False),
        ("gone", "lost what was just copied to it", False),
        ("full", "has no space left on its disk", False),
        ("many", "asks for patience: too many requests", True),
        ("nowhere", "is not found: its name has no address", True),
        ("down", "cannot be reached", True),
        ("silent", "cannot be reached", True),
        ("cut", "broke the connection off in the middle", True),
        ("reset", "broke the connection off in the middle", True),
        ("broken", "has an error of its own", True),
        ("other", "did not do what was asked", False),
    ],
)
def test_people_are_told_what_is_wrong_and_only_what_may_pass_is_tried_again(
    said: str,
    sentence: str,
    passing: bool,  # noqa: FBT001 - a column of the table
) -> None:
    found = fault(SAID[said], "target", "h.example.com")
    assert str(found).startswith(f"the target registry h.example.com {sentence}")
    assert found.passing is passing


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("refused", "refuses our credentials, or the lack of them ("),
        ("gone", "does not have the image any more ("),
        ("project", "does not know the image's repository any more ("),
    ],
)
def test_a_source_is_spoken_of_as_a_source(said: str, sentence: str) -> None:
    assert str(fault(SAID[said], "source", "h.example.com")).startswith(f"the source registry h.example.com {sentence}")


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_refusal_says_who_refused(side: Side) -> None:
    assert fault(SAID["refused"], side, "h").refused_by == side
    assert fault(SAID["gone"], side, "h").refused_by is None


@pytest.mark.parametrize(
    ("source", "said", "side"),
    [
        ("docker.io/library/busybox", SAID["full"], "target"),
        ("docker.io/library/busybox", SAID["down"], "target"),
        ("docker.io/library/busybox", SAID["many"], "source"),
        ("docker.io/library/busybox", 'Get "https://auth.docker.io/token": dial tcp: i/o timeout', "source"),
        ("h.example.com/team/app", SAID["full"], "target"),
        ("h.example.com/team/app", "GET https://h.example.com/v2/team/app/blobs/sha256:0: DENIED", "source"),
        ("h.example.com:8443/team/app", SAID["full"], "target"),
        ("h.example.com:8443/team/app", "GET https://h.example.com:8443/v2/team/app/blobs/sha256:0: DENIED", "source"),
    ],
)
def test_of_a_copy_the_address_says_which_side(source: str, said: str, side: str) -> None:
    target = "h.example.com/custom/team/app"
    assert side_of(said, source, target) == side
    assert str(fault_of_copy(said, source, target)).startswith(f"the {side} registry ")


@pytest.mark.parametrize("said", ["cut", "reset"])
def test_a_copy_that_was_cut_may_be_either_sides(said: str) -> None:
    """What is sent to the one is read from the other at that moment."""
    found = fault_of_copy(SAID[said], "docker.io/library/busybox", "h.example.com/custom/team/app")
    both = "the connection to the source registry docker.io or to the target registry h.example.com broke off"
    assert str(found).startswith(both)
    assert found.passing


def test_nothing_there_is_told_from_cannot_say() -> None:
    assert says_nothing_there(f"HEAD request failed\nError: {SAID['gone']}")
    assert says_nothing_there(f"Error: GET {URL}/manifests/1: NAME_UNKNOWN: repository name not known to registry")
    assert says_nothing_there(f"Error: GET {URL}/manifests/1: NOT_FOUND: artifact custom/team/app:1 not found")
    for said in ("refused", "project", "down", "broken"):
        assert not says_nothing_there(f"404 Not Found\nError: {SAID[said]}")


@given(st.text())
def test_whatever_crane_says_becomes_one_line_of_a_bounded_length(said: str) -> None:
    assert "\n" not in shortened(said)
    assert len(shortened(said)) <= 500

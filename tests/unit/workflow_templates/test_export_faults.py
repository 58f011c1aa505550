"""What crane says, and what people are told. The first words of each were captured from the real one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_templates.exportimage.crane import STALLED
from workflow_templates.exportimage.crane_errors import (
    Side,
    fault,
    fault_of_copy,
    is_absent,
    shortened,
    side_of,
)

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
    "full, said before": (
        "2026/11/25 16:48:18 retrying PATCH https://h.example.com/v2/custom/app/blobs/uploads/1: UNKNOWN: "
        "unknown error; write /var/lib/registry/data: no space left on device\n"
        "Error: PUT https://h.example.com/v2/custom/app/blobs/uploads/1: RANGE_INVALID: invalid content range"
    ),
    "full": f"POST {URL}/blobs/uploads/: UNKNOWN: unknown error; filesystem: write /data/x: no space left on device",
    "many": "GET https://index.docker.io/v2/a/b/manifests/1: TOOMANYREQUESTS: You have reached your pull rate limit.",
    "nowhere": 'Get "https://h.example.com/v2/": dial tcp: lookup h.example.com on 10.96.0.10:53: no such host',
    "down": 'Get "https://h.example.com/v2/": dial tcp 10.0.0.1:443: connect: connection refused',
    "silent": 'Get "https://h.example.com/v2/": dial tcp 10.0.0.1:443: i/o timeout',
    "cut": f'Patch "{URL}/blobs/uploads/1": unexpected EOF',
    "reset": f'Patch "{URL}/blobs/uploads/1": read tcp 10.0.0.2:1->10.0.0.1:443: read: connection reset by peer',
    "broken": f"GET {URL}/manifests/1: unexpected status code 502 Bad Gateway",
    "full status": f"PUT {URL}/blobs/uploads/1: unexpected status code 507 Insufficient Storage",
    "denied disk": f"POST {URL}/blobs/uploads/: UNKNOWN: unknown error; filesystem: mkdir /data/x: permission denied",
    "absent": f"GET {URL}/manifests/1: unexpected status code 404 Not Found",
    "stalled": f"{STALLED} for 60 s",
    "digits": "GET https://h.example.com/v2/custom/team/driver-507/blobs/x: unexpected status code 502 Bad Gateway",
    "word": 'Get "https://h.example.com/v2/quota-manager/app/manifests/1": dial tcp: connect: connection refused',
    "status in a name": "HEAD https://h.example.com/v2/custom/http-401/manifests/1: unexpected status code 502 Bad",
    "tried before": f"HEAD request failed, falling back on GET: DENIED: x\nError: GET {URL}: unexpected EOF",
    "host": 'Get "https://quota.example.com/v2/": dial tcp: lookup quota.example.com on 10.96.0.10:53: no such host',
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
        ("full, said before", "has no space left on its disk", False),
        ("many", "limits how often it may be called (too many requests)", True),
        ("nowhere", "is not found: its name has no address", True),
        ("down", "cannot be reached", True),
        ("silent", "cannot be reached", True),
        ("cut", "broke the connection off in the middle", True),
        ("reset", "broke the connection off in the middle", True),
        ("broken", "has an error of its own", True),
        ("full status", "has no space left on its disk", False),
        ("denied disk", "has an error of its own", True),
        ("absent", "has nothing of that name: is exportImage.registry a registry", False),
        ("stalled", "went silent", True),
        ("digits", "has an error of its own", True),
        ("word", "cannot be reached", True),
        ("status in a name", "has an error of its own", True),
        ("tried before", "broke the connection off in the middle", True),
        ("host", "is not found: its name has no address", True),
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
    refused, gone = fault(SAID["refused"], side, "h"), fault(SAID["gone"], side, "h")
    assert (refused.refused, refused.side) == (True, side)
    assert (gone.refused, gone.side) == (False, side)


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


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("docker.io/library/busybox", SAID["cut"]),  # what is sent to the one is read from the other at that moment
        ("docker.io/library/busybox", SAID["reset"]),
        ("docker.io/library/busybox", SAID["stalled"]),
        ("docker.io/library/busybox", "GET https://tokens.example.org/token: UNAUTHORIZED: authentication required"),
        ("quay.io/team/app", 'Get "https://auth.example.com/token": dial tcp: i/o timeout'),
        ("h.example.com/team/app", "GET https://h.example.com/service/token: UNAUTHORIZED: authentication required"),
        ("quay.io/team/app", 'Get "https://cdn.quay.io/blob": dial tcp: i/o timeout'),
    ],
)
def test_where_nobody_can_know_either_side_is_named(source: str, said: str) -> None:
    found = fault_of_copy(said, source, "h.example.com/custom/team/app")
    registry = source.partition("/")[0]
    assert str(found).startswith(f"the source registry {registry} or the target registry h.example.com ")
    assert found.side is None


WORDS = st.sampled_from(["quota", "denied", "unauthorized", "eof", "507", "429", "401", "timeout", "x509", "app", "a"])
PARTS = st.lists(WORDS, min_size=1, max_size=3).map("-".join)
SENTENCES = [key for key, said in SAID.items() if "team/app" in said]


@given(st.sampled_from(SENTENCES), st.lists(PARTS, min_size=1, max_size=3).map("/".join))
def test_what_an_image_is_called_never_changes_the_cause(key: str, name: str) -> None:
    usual, other = fault(SAID[key], "target", "h"), fault(SAID[key].replace("team/app", name), "target", "h")
    assert str(other).partition(" (")[0] == str(usual).partition(" (")[0]


def test_nothing_there_is_told_from_cannot_say() -> None:
    assert is_absent(f"HEAD request failed\nError: {SAID['gone']}")
    assert is_absent(f"Error: GET {URL}/manifests/1: NAME_UNKNOWN: repository name not known to registry")
    assert is_absent(f"Error: GET {URL}/manifests/1: NOT_FOUND: artifact custom/team/app:1 not found")
    assert is_absent(f"Error: {SAID['absent']}")
    assert not is_absent(f"Error: GET {URL.removesuffix('custom/team/app')}: unexpected status code 404 Not Found")
    for said in ("refused", "project", "down", "broken"):
        assert not is_absent(f"404 Not Found\nError: {SAID[said]}")


@given(st.text())
def test_whatever_crane_says_becomes_one_line_of_a_bounded_length(said: str) -> None:
    assert "\n" not in shortened(said)
    assert len(shortened(said)) <= 500

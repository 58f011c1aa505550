"""References as runtimes write them, and the names they get in the team's registry (contract: exportimage)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.image_reference import NoReferenceError, Reference, exported_path, parse, ran

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("busybox", Reference("docker.io", "library/busybox")),
        ("busybox:1.36", Reference("docker.io", "library/busybox", "1.36")),
        (f"busybox@{DIGEST}", Reference("docker.io", "library/busybox", digest=DIGEST)),
        (f"busybox:1.36@{DIGEST}", Reference("docker.io", "library/busybox", "1.36", DIGEST)),
        ("docker.io/busybox", Reference("docker.io", "library/busybox")),
        ("index.docker.io/library/busybox", Reference("docker.io", "library/busybox")),
        ("docker.io/library/busybox:latest", Reference("docker.io", "library/busybox", "latest")),
        ("rocm/pytorch:rocm6.4_ubuntu24.04", Reference("docker.io", "rocm/pytorch", "rocm6.4_ubuntu24.04")),
        ("team/project/app", Reference("docker.io", "team/project/app")),
        ("localhost/app", Reference("localhost", "app")),
        ("localhost:5000/app:1", Reference("localhost:5000", "app", "1")),
        ("registry:5000/app", Reference("registry:5000", "app")),
        ("10.0.0.5/app", Reference("10.0.0.5", "app")),
        ("10.0.0.5:5000/a/b", Reference("10.0.0.5:5000", "a/b")),
        ("[fd00::5]:5000/a/b:1", Reference("[fd00::5]:5000", "a/b", "1")),
        ("ghcr.io/a/b/c/d:Main-1", Reference("ghcr.io", "a/b/c/d", "Main-1")),
        (f"ghcr.io/a/b@{DIGEST}", Reference("ghcr.io", "a/b", digest=DIGEST)),
        ("Registry/app", Reference("Registry", "app")),
        ("Harbor.Example.com/Team/App:V1", Reference("Harbor.Example.com", "Team/App", "V1")),
        ("example.com/a__b/c-d/e.f", Reference("example.com", "a__b/c-d/e.f")),
    ],
)
def test_a_reference_is_read_as_runtimes_read_it(text: str, reference: Reference) -> None:
    assert parse(text) == reference


NO_REFERENCES = f"""
:1|@{DIGEST}|{DIGEST}|busybox:|busybox:a b|busybox@sha256:12|busybox@{DIGEST}0|busybox@md5:1
a//b|/a|a/|a/../b|-a|a_|example.com/|example.com:port/a|a b|{{{{a}}}}|äpfel
"""


@pytest.mark.parametrize("text", ["", "a\n", *NO_REFERENCES.strip().replace("\n", "|").split("|")])
def test_what_names_no_image_is_refused(text: str) -> None:
    with pytest.raises(NoReferenceError):
        parse(text)


@pytest.mark.parametrize(
    ("image_id", "reference"),
    [
        (f"docker.io/library/busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
        (f"docker-pullable://rocm/pytorch@{DIGEST}", f"docker.io/rocm/pytorch@{DIGEST}"),
        (f"registry:5000/app@{DIGEST}", f"registry:5000/app@{DIGEST}"),
        (f"registry:5000/app:1@{DIGEST}", f"registry:5000/app@{DIGEST}"),
    ],
)
def test_what_a_pod_ran_is_named_by_its_digest(image_id: str, reference: str) -> None:
    assert str(ran(image_id)) == reference


@pytest.mark.parametrize(
    ("image_id", "sentence"),
    [
        (DIGEST, "loaded into its node by hand"),
        (f"docker://{DIGEST}", "loaded into its node by hand"),
        ("docker.io/library/busybox:latest", "has no digest"),
        ("docker.io/library/busybox@sha512:" + "0" * 128, "digest by SHA-512, which cannot be copied"),
        ("", "is not the name of an image"),
    ],
)
def test_an_image_that_no_registry_has_is_said_to_be_so(image_id: str, sentence: str) -> None:
    with pytest.raises(NoReferenceError, match=sentence):
        ran(image_id)


@pytest.mark.parametrize(
    ("image", "path"),
    [
        ("docker.io/library/busybox:latest", "custom/library/busybox"),  # the API document's example
        ("busybox", "custom/library/busybox"),
        ("rocm/pytorch:latest", "custom/rocm/pytorch"),
        ("registry:5000/app", "custom/library/app"),
        ("registry.example.com:5000/team/app:1", "custom/team/app"),
        ("ghcr.io/org/project/sub/app", "custom/sub/app"),
        ("Harbor.Example.com/Team/App:V1", "custom/team/app"),
        (f"ghcr.io/org/app@{DIGEST}", "custom/org/app"),
        ("harbor.example.com/custom/library/busybox:20251113", "custom/library/busybox"),
    ],
)
def test_an_exported_image_keeps_its_last_two_path_parts(image: str, path: str) -> None:
    assert exported_path("custom", parse(image)) == path


def test_a_name_is_as_long_as_registries_take_it_and_no_longer() -> None:
    longest = "a" * (255 - len("custom/team/"))
    assert len(exported_path("custom", parse(f"ghcr.io/team/{longest}"))) == 255
    with pytest.raises(NoReferenceError, match="longer than the 255 characters"):
        exported_path("custom", parse(f"ghcr.io/team/{longest}a"))


HOSTS = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}[A-Za-z0-9]\.[A-Za-z]{2,5}(:[0-9]{2,5})?", fullmatch=True)
PARTS = st.from_regex(r"[A-Za-z0-9]+((\.|__?|-{1,3})[A-Za-z0-9]+){0,3}", fullmatch=True)
TAGS = st.one_of(st.just(""), st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True))
DIGESTS = st.one_of(st.just(""), st.from_regex(r"@sha256:[0-9a-f]{64}", fullmatch=True))
IMAGES = st.tuples(HOSTS, st.lists(PARTS, min_size=1, max_size=5), TAGS, DIGESTS)

#: Names that registries take (the OCI distribution specification).
NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")


@given(IMAGES)
def test_every_reference_becomes_a_name_that_registries_take(image: tuple[str, list[str], str, str]) -> None:
    host, parts, tag, digest = image
    path = exported_path("custom", parse(f"{host}/{'/'.join(parts)}{tag}{digest}"))
    assert NAME.fullmatch(path)
    assert path.split("/")[0] == "custom"
    assert len(path.split("/")) == 3
    assert path.split("/")[2] == parts[-1].lower()


@given(IMAGES)
def test_a_reference_written_out_is_read_the_same_again(image: tuple[str, list[str], str, str]) -> None:
    host, parts, tag, digest = image
    reference = parse(f"{host}/{'/'.join(parts)}{tag}{digest}")
    assert parse(str(reference)) == reference


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_is_refused(text: str) -> None:
    try:
        reference = parse(text)
    except NoReferenceError:
        return
    assert parse(str(reference)) == reference

"""What steps may rely on of the object store: whole objects or none, an outage outlasted, and words for people."""

import gc
import os
import signal
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.plain_http import NO_TLS
from tests.unit.workflow_templates.s3server import CUT, S3Server, serving
from workflow_templates import object_store, sigterm
from workflow_templates.object_store import Store, StoreError
from workflow_templates.protocol.sigv4 import Signer
from workflow_templates.protocol.store_location import StoreLocation
from workflow_templates.sigterm import StoppedError

MIB = 1 << 20


@pytest.fixture
def server() -> Iterator[S3Server]:
    with serving(S3Server()) as server:
        yield server


@pytest.fixture
def store(server: S3Server) -> Iterator[Store]:
    place = StoreLocation(endpoint=server.url, bucket="ops", prefix="prod/")
    with httpx.Client(timeout=60, trust_env=False, verify=NO_TLS) as http:
        store = Store(http, place, Signer("key", "secret", "us-east-1"), patience=60)
        store.part_bytes = MIB
        yield store


def test_an_object_is_put_under_the_prefix(server: S3Server, store: Store) -> None:
    store.put("preflight/job 1/report.json", b"{}", "application/json")
    assert server.objects == {"/ops/prod/preflight/job 1/report.json": b"{}"}
    assert server.types == {"/ops/prod/preflight/job 1/report.json": "application/json"}
    assert store.address("preflight/job 1/report.json") == "s3://ops/prod/preflight/job 1/report.json"


def test_a_link_leads_to_where_people_reach_the_store() -> None:
    place = StoreLocation(
        endpoint="http://inside:7070", public_endpoint="https://s3.example.com", bucket="ops", prefix="a/"
    )
    with httpx.Client() as http:
        link = urlsplit(Store(http, place, Signer("key", "secret", "us-east-1")).presigned("x y", 60))
    assert (link.scheme, link.netloc, link.path) == ("https", "s3.example.com", "/ops/a/x%20y")
    assert parse_qs(link.query)["X-Amz-Expires"] == ["60"]


def test_without_path_style_the_bucket_is_in_the_host_name() -> None:
    place = StoreLocation(endpoint="https://s3.example.com", bucket="ops", path_style=False)
    assert place.url("x") == "https://ops.s3.example.com/x"


@pytest.mark.parametrize("path_style", [True, False])
@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("https://S3.Example.com:443", "s3.example.com"),
        ("http://s3.example.com:80/", "s3.example.com"),
        ("https://s3.example.com:80", "s3.example.com:80"),
        ("http://S3:9000", "s3:9000"),
    ],
)
def test_a_link_names_the_host_as_whoever_opens_it_does(written: str, host: str, *, path_style: bool) -> None:
    """A signature holds for one spelling of it."""
    place = StoreLocation(endpoint="http://inside", public_endpoint=written, bucket="ops", path_style=path_style)
    assert httpx.URL(place.url("x", written)).netloc.decode() == urlsplit(place.url("x", written)).netloc
    assert urlsplit(place.url("x", written)).netloc == (host if path_style else f"ops.{host}")


def test_parts_that_were_sent_take_no_memory(store: Store) -> None:
    """Not even until Python next looks for cycles, in which httpx leaves its requests."""
    gc.disable()
    tracemalloc.start()
    try:
        with store.upload("big", "application/gzip") as file:
            for _ in range(20):
                file.write(bytes(MIB))
            ours = tracemalloc.take_snapshot().filter_traces(
                [tracemalloc.Filter(inclusive=True, filename_pattern=object_store.__file__)]
            )
    finally:
        tracemalloc.stop()
        gc.enable()
    assert sum(trace.size for trace in ours.traces) < 4 * MIB


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 5 * MIB // 2])
def test_an_upload_is_whole_whatever_its_size(server: S3Server, store: Store, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    with store.upload("big", "application/gzip") as file:
        for begin in range(0, size, 300_000):
            file.write(content[begin : begin + 300_000])
    assert server.objects == {"/ops/prod/big": content}
    assert server.types == {"/ops/prod/big": "application/gzip"}
    assert server.uploads == {}
    assert server.biggest <= MIB


def test_one_that_is_broken_off_leaves_nothing(server: S3Server, store: Store) -> None:
    def broken_off() -> None:
        with store.upload("half", "application/gzip") as file:
            file.write(b"x" * 3 * MIB)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert (server.objects, server.uploads) == ({}, {})


@pytest.mark.parametrize("fault", [(503, "SlowDown"), (500, "InternalError"), (429, ""), (CUT, "")])
def test_an_outage_is_outlasted_at_every_request(server: S3Server, store: Store, fault: tuple[int, str]) -> None:
    server.faults = [fault]
    with store.upload("big", "application/gzip") as file:
        server.faults = [fault]
        file.write(b"x" * 2 * MIB)
        server.faults = [fault]
    assert server.objects == {"/ops/prod/big": b"x" * 2 * MIB}


def test_a_completion_whose_answer_was_lost_counts(server: S3Server, store: Store) -> None:
    server.loses_an_answer = True
    with store.upload("big", "application/gzip") as file:
        file.write(b"x")
    assert server.objects == {"/ops/prod/big": b"x"}


def upload(store: Store) -> None:
    with store.upload("big", "application/gzip") as file:
        file.write(b"x" * 2 * MIB)


@pytest.mark.parametrize("may_delete", [True, False])
def test_a_completion_that_nobody_heard_the_end_of_leaves_no_object(
    server: S3Server, store: Store, *, may_delete: bool
) -> None:
    """It was done, its answer lost, and the store did not come back in time to say so."""

    def away() -> None:
        server.refuses = lambda method, _query: None if method == "DELETE" and may_delete else (503, "SlowDown")

    store.patience = 0.5
    server.loses_an_answer, server.completed = True, away
    with pytest.raises(StoreError):
        upload(store)
    assert server.uploads == {}
    if may_delete:
        assert (server.objects, store.left) == ({}, "")
    else:
        assert len(server.objects) == 1
        assert store.left.startswith("the whole object may be still in the bucket")


def test_a_stop_while_it_is_completed_leaves_no_object(server: S3Server, store: Store) -> None:
    def stopped() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        # The answer comes only when the other side has heard of it.
        heard.wait(60)

    heard = threading.Event()
    server.completed = stopped
    usual = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(StoppedError), sigterm.raising(), store.upload("big", "application/gzip") as file:
            file.write(b"x" * 2 * MIB)
    finally:
        heard.set()
        signal.signal(signal.SIGTERM, usual)
    assert ("POST", "/ops/prod/big?uploads=") in server.seen
    assert (server.objects, server.uploads, store.left) == ({}, {}, "")


@pytest.mark.parametrize("code", ["RequestTimeout", "IncompleteBody", "SlowDown"])
def test_a_request_that_was_cut_on_its_way_is_repeated(server: S3Server, store: Store, code: str) -> None:
    server.faults = [(400, code)]
    upload(store)
    assert server.objects == {"/ops/prod/big": b"x" * 2 * MIB}


def test_what_is_no_s3_is_called_so(server: S3Server, store: Store) -> None:
    server.tags = False
    with pytest.raises(StoreError, match=r"a part without an ETag.*objectStore\.endpoint"):
        upload(store)
    server.faults = [(200, "")]
    with pytest.raises(StoreError, match=r"without an UploadId.*objectStore\.endpoint"):
        upload(store)


def test_a_store_that_is_down_from_the_first_is_given_up_in_time(store: Store) -> None:
    store.patience = 0.5
    store.location = replace(store.location, endpoint="http://127.0.0.1:1")
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1 failed every try .* Connect"):
        upload(store)


def test_a_refused_key_fails_an_upload_at_once(server: S3Server, store: Store) -> None:
    server.refuses = lambda _method, _query: (403, "InvalidAccessKeyId")
    with pytest.raises(StoreError, match=r"refuses our key .*InvalidAccessKeyId.*existingSecret"):
        upload(store)
    assert len(server.seen) == 1


def test_a_store_that_stays_away_is_given_up_in_time_and_named(server: S3Server, store: Store) -> None:
    store.patience = 0.5
    server.refuses = lambda method, _query: (503, "SlowDown") if method == "PUT" else None
    with pytest.raises(StoreError, match=r"failed every try .*503 SlowDown") as told:
        upload(store)
    assert server.url in str(told.value)
    assert (server.objects, server.uploads) == ({}, {})


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        ((403, "SignatureDoesNotMatch"), "objectStore.existingSecret"),
        ((403, "AccessDenied"), "objectStore.existingSecret"),
        ((404, "NoSuchBucket"), "objectStore.bucket"),
        ((403, "RequestTimeTooSkewed"), "clocks"),
        ((400, "InvalidRequest"), "of InvalidRequest"),
    ],
)
def test_a_refusal_is_not_repeated_and_says_what_to_look_at(
    server: S3Server, store: Store, refusal: tuple[int, str], advice: str
) -> None:
    server.refuses = lambda _method, _query: refusal
    with pytest.raises(StoreError, match=advice) as told:
        store.put("x", b"", "text/plain")
    assert len(server.seen) == 1
    assert "secret" not in str(told.value).replace("Secret", "").replace("existingSecret", "")


def test_an_error_that_comes_with_200_is_one(server: S3Server, store: Store) -> None:
    server.faults = [(200, "InternalError")]
    store.put("x", b"y", "text/plain")
    assert server.objects == {"/ops/prod/x": b"y"}


def test_it_is_configured_by_environment_and_files(tmp_path: Path) -> None:
    environment = {
        "OPSJOBS_STORE_ENDPOINT": "http://inside:7070",
        "OPSJOBS_STORE_BUCKET": "ops",
        "OPSJOBS_STORE_PREFIX": "a/",
        "OPSJOBS_STORE_PRESIGN_SECONDS": "77",
        "OPSJOBS_STORE_PATIENCE_SECONDS": "9",
        "OPSJOBS_STORE_REGION": "eu-central-1",
    }
    (tmp_path / "accessKey").write_text("key\n")
    with pytest.raises(StoreError, match="objectStore"):
        Store.in_pod(environment, tmp_path)
    (tmp_path / "secretKey").write_text("of nobody\n")
    store = Store.in_pod(environment, tmp_path)
    assert store.patience == 9
    query = parse_qs(urlsplit(store.presigned("x")).query)
    assert query["X-Amz-Expires"] == ["77"]
    assert query["X-Amz-Credential"][0].startswith("key/")
    assert "/eu-central-1/" in query["X-Amz-Credential"][0]
    with pytest.raises(StoreError, match="objectStore"):
        Store.in_pod({}, tmp_path)

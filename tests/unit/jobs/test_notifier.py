"""Notifications over a real store to a real HTTP server: delivered once it takes them, in order, whatever it does."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.domain.job import Condition, Job, Phase
from service.domain.receiver import Kind, Receiver
from service.jobs import notifier as notifier_module
from service.jobs.node_events import NodeEvents
from service.jobs.notification_queue import NotificationState
from service.jobs.notifier import Notifier
from service.records.store import SqlRecords
from service.webhooks import Webhooks, connect_webhooks
from tests.new_store import new_store
from tests.records_suite.example import a_job

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
PATIENCE = 60
HIDDEN = "T0KEN-IN-THE-PATH"


class Receiving:
    """A receiver that answers as it is told; what it was sent and answered 200 is in `taken`."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.hang = threading.Event()
        self.hang.set()
        self.asked: list[tuple[str, Mapping[str, str], bytes]] = []
        self.taken: list[dict[str, Any]] = []
        #: Bodies with this in them are answered 500.
        self.poison = b"\0"
        receiving = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiving.asked.append((self.path, dict(self.headers), body))
                receiving.hang.wait(PATIENCE)
                status = 500 if receiving.poison in body else receiving.status
                if status == 200:
                    receiving.taken.append(json.loads(body))
                self.send_response(status)
                for name, value in receiving.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # the sender did not wait
                    super().handle()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/{HIDDEN}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self.hang.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)

    @property
    def kinds(self) -> list[str]:
        return [one["type"].removeprefix("opsjob.") for one in self.taken]


class Nodes:
    """As the cluster shows those that jobs left cordoned: node → job."""

    def __init__(self, **left: str) -> None:
        self.left = left

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def left_cordoned(self) -> Mapping[str, str]:
        return self.left


@pytest.fixture
def receiving() -> Iterator[Receiving]:
    server = Receiving()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK", "_FIRST_PAUSE", "_LONGEST_PAUSE", "_REST", "_LONGEST_REST"):
        monkeypatch.setattr(notifier_module, name, 0.01)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlRecords]:
    opened = SqlRecords(await new_store(tmp_path), RECEIVERS)
    yield opened
    await opened.close()


RECEIVERS = (Receiver(name="oncall", plain_http=True, wait_seconds=60),)


class Secrets:
    """The mounted Secret of the one receiver."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "oncall").mkdir(parents=True)

    def write(self, url: str, key: str = "") -> None:
        (self.folder / "oncall" / "url").write_text(f"{url}\n")
        if key:
            (self.folder / "oncall" / "signingKey").write_text(f"{key}\n")


@pytest.fixture
def secrets(tmp_path: Path, receiving: Receiving) -> Secrets:
    made = Secrets(tmp_path / "secrets")
    made.write(receiving.url, SECRET)
    return made


@asynccontextmanager
async def leading(store: SqlRecords, secrets: Secrets, seconds: float = PATIENCE) -> AsyncIterator[Webhooks]:
    """The leader's notifier, for the length of the block."""
    async with connect_webhooks(secrets.folder, seconds) as sender:
        work = asyncio.create_task(notifier(store, sender).run())
        try:
            yield sender
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


def notifier(store: SqlRecords, sender: Any, cluster: Any = None, events: NodeEvents | None = None) -> Notifier:
    there: Any = cluster or Nodes()
    return Notifier(store, there, sender, RECEIVERS, cluster_id="prod", external_url="https://ops.test", events=events)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - a server in another thread sets it
            await asyncio.sleep(0.01)


async def live(store: SqlRecords, job_id: str) -> None:
    def becoming(phase: Phase) -> Callable[[Job], Job]:
        condition = Condition(phase, "Failed", "n1: disk full", datetime.now(UTC))
        return lambda job: replace(job, phase=phase, conditions=(*job.conditions, condition))

    await store.add(a_job(job_id))
    for phase in (Phase.RUNNING, Phase.FAILED):
        await store.change(job_id, becoming(phase))


async def test_what_happens_arrives_in_order_signed_and_with_a_link(
    store: SqlRecords, receiving: Receiving, secrets: Secrets
) -> None:
    await live(store, "job-1")
    async with leading(store, secrets):
        await until(lambda: len(receiving.taken) == 3)
    assert receiving.kinds == ["created", "started", "ended"]
    assert receiving.taken[-1]["data"]["message"] == "failed: n1: disk full"
    assert receiving.taken[-1]["data"]["link"] == "https://ops.test/console/jobs/job-1"
    for _, headers, body in receiving.asked:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
    assert len({headers["webhook-id"] for _, headers, _ in receiving.asked}) == 3


async def test_a_receiver_that_fails_gets_it_again_under_the_same_id_and_then_the_rest(
    store: SqlRecords, receiving: Receiving, secrets: Secrets
) -> None:
    receiving.status = 503
    await live(store, "job-1")
    async with leading(store, secrets) as sender:
        await until(lambda: len(receiving.asked) >= 3)
        state = NotificationState(store, sender, ["oncall"], "prod")
        (condition,) = await state.conditions()
        assert condition.startswith("receiver oncall: fails; 3 notifications wait")
        receiving.status = 200
        await until(lambda: len(receiving.taken) == 3)
    assert receiving.kinds == ["created", "started", "ended"]
    assert len({headers["webhook-id"] for _, headers, _ in receiving.asked}) == 3


async def test_a_message_that_is_never_taken_holds_up_no_other_job(
    store: SqlRecords, receiving: Receiving, secrets: Secrets
) -> None:
    receiving.poison = b"job-1"
    await live(store, "job-1")
    await live(store, "job-2")
    async with leading(store, secrets):
        await until(lambda: len(receiving.taken) == 3)
    assert {one["data"]["jobId"] for one in receiving.taken} == {"job-2"}


async def test_a_restart_in_the_middle_loses_nothing(store: SqlRecords, receiving: Receiving, secrets: Secrets) -> None:
    """The leader dies while the receiver has the message and has not answered: it comes again, at least once."""
    await live(store, "job-1")
    receiving.hang.clear()
    async with leading(store, secrets):
        await until(lambda: len(receiving.asked) == 1)
    receiving.hang.set()
    async with leading(store, secrets):
        await until(lambda: receiving.kinds[-1:] == ["ended"])
    assert list(dict.fromkeys(receiving.kinds)) == ["created", "started", "ended"]


async def test_a_receiver_that_hangs_holds_up_no_job_and_is_given_up(
    store: SqlRecords, receiving: Receiving, secrets: Secrets
) -> None:
    receiving.hang.clear()
    async with leading(store, secrets, seconds=0.2):
        await live(store, "job-1")
        job = await store.get("job-1")
        assert job is not None
        assert job.phase is Phase.FAILED
        await until(lambda: len(receiving.asked) >= 2)
        receiving.hang.set()
        await until(lambda: receiving.kinds[-1:] == ["ended"])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    store: SqlRecords, receiving: Receiving, secrets: Secrets, status: int
) -> None:
    """Before, who answers for the receiver's name could have had the messages sent to any address from within."""
    receiving.status = status
    receiving.headers = {"Location": receiving.url.replace(HIDDEN, "elsewhere")}
    await store.add(a_job("job-1"))
    async with connect_webhooks(secrets.folder) as sender:
        sent = await notifier(store, sender).deliver_next(RECEIVERS[0])
    assert sent is not None
    assert "redirects" in sent.failure
    assert {path for path, _, _ in receiving.asked} == {f"/{HIDDEN}"}


async def test_who_is_gone_is_asked_no_more_until_their_address_is_another(
    store: SqlRecords, receiving: Receiving, secrets: Secrets
) -> None:
    receiving.status = 410
    await live(store, "job-1")
    async with connect_webhooks(secrets.folder) as sender:
        telling = notifier(store, sender)
        first = await telling.deliver_next(RECEIVERS[0])
        assert first is not None
        assert first.gone
        await live(store, "job-2")
        for _ in range(5):
            assert await telling.deliver_next(RECEIVERS[0]) is None
        assert len(receiving.asked) == 1
        (condition,) = await NotificationState(store, sender, ["oncall"], "prod").conditions()
        assert "gone" in condition
    receiving.status = 200
    secrets.write(f"{receiving.url}/new")
    async with leading(store, secrets) as sender:
        await until(lambda: len(receiving.taken) == 6)
        assert await NotificationState(store, sender, ["oncall"], "prod").conditions() == []


async def test_a_receiver_that_asks_for_time_gets_it(store: SqlRecords, receiving: Receiving, secrets: Secrets) -> None:
    receiving.status, receiving.headers = 429, {"Retry-After": "120"}
    await store.add(a_job("job-1"))
    async with connect_webhooks(secrets.folder) as sender:
        sent = await notifier(store, sender).deliver_next(RECEIVERS[0])
    assert sent is not None
    assert sent.retry_after == 120
    assert await store.next_notification("prod", "oncall", datetime.now(UTC) + timedelta(seconds=100)) is None
    assert await store.next_notification("prod", "oncall", datetime.now(UTC) + timedelta(seconds=130)) is not None


@pytest.mark.parametrize(
    ("url", "key", "why"),
    [
        ("", "", "has no URL"),
        ("ftp://example.com/x", "", "not https"),
        ("https://", "", ""),
        ("http://[::1", "", ""),
        ("http://127.0.0.1:1/x", "whsec_%%%", "signing key"),
        ("http://127.0.0.1:1/x", "", "ConnectError"),
        ("http://exa mple/\x00", "", ""),
    ],
)
async def test_a_secret_that_cannot_be_used_is_a_failure_like_any_other_and_is_not_said(
    store: SqlRecords, secrets: Secrets, url: str, key: str, why: str
) -> None:
    (secrets.folder / "oncall" / "signingKey").unlink()
    secrets.write(url, key)
    await store.add(a_job("job-1"))
    async with connect_webhooks(secrets.folder) as sender:
        sent = await notifier(store, sender).deliver_next(RECEIVERS[0])
    assert sent is not None
    assert sent.failure
    assert why in sent.failure
    assert not url or url not in sent.failure


async def test_plain_http_is_only_for_who_says_so(receiving: Receiving, secrets: Secrets) -> None:
    async with connect_webhooks(secrets.folder) as sender:
        sent = await sender.send("oncall", "msg_1", b"{}", plain_http=False)
    assert sent.failure == "its URL is not https://"
    assert receiving.asked == []


async def test_no_address_and_no_key_is_in_a_log_line_or_in_the_store(
    store: SqlRecords,
    receiving: Receiving,
    secrets: Secrets,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level("DEBUG", "service")
    receiving.status = 500
    with capture_logs() as lines:
        await live(store, "job-1")
        async with leading(store, secrets):
            await until(lambda: len(receiving.asked) >= 2)
            receiving.status = 410
            await until(lambda: any("gone" in str(line) for line in lines))
    assert HIDDEN not in str(lines)
    assert HIDDEN not in caplog.text
    for hidden in (HIDDEN.encode(), KEY, SECRET.encode()):
        assert hidden not in written_to(tmp_path)


async def test_nodes_that_a_job_left_cordoned_are_told_once_and_those_of_long_ago_not(store: SqlRecords) -> None:
    now = datetime.now(UTC)
    await store.add(a_job("job-1", ended=now - timedelta(hours=1), phase=Phase.FAILED))
    await store.add(a_job("job-2", ended=now - timedelta(days=2), phase=Phase.FAILED))
    await told(store)
    cordoned = Nodes(n1="job-1", n2="job-2", n4="unknown")
    writer: Any = None
    events = NodeEvents(writer)
    for _ in range(2):
        await notifier(store, None, cordoned, events).look_around()
    assert [(one.node, one.reason, one.warning) for one in events._waiting] == [("n1", "LeftCordoned", True)]
    (message,) = await told(store)
    assert (message.kind, message.nodes) == (Kind.LEFT_CORDONED, ("n1",))
    assert "kubectl uncordon n1" in message.sentence


async def test_a_job_that_waits_longer_than_the_receiver_wants_is_told_once(store: SqlRecords) -> None:
    now = datetime.now(UTC)
    await store.add(a_job("job-1", created=now - timedelta(hours=2)))
    await store.add(a_job("job-2", created=now))
    await told(store)
    for _ in range(2):
        await notifier(store, None).look_around()
    assert [(one.kind, one.job_id) for one in await told(store)] == [(Kind.WAITS, "job-1")]


def written_to(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("records.db*"))


async def told(store: SqlRecords) -> list[Any]:
    found = []
    while queued := await store.next_notification("prod", "oncall", datetime.now(UTC) + timedelta(days=9)):
        found.append(queued.message)
        await store.settle_notification(queued.number)
    return found

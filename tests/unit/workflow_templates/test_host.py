"""Real scripts, run as a step runs them: nothing breaks their text, nothing of them outlives its time."""

import hashlib
import os
import shutil
import signal
import stat
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workflow_templates import sigterm
from workflow_templates.host import BegunBeforeError, Host, HostError


def run(host: Host, script: str, timeout: int | None = None, name: str = "000-script") -> tuple[int | None, str, str]:
    ran = host.run(name, script, "/bin/sh", timeout)
    return ran.exit_code, ran.last_lines, ran.ending


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_script_that_ends_well(host: Host) -> None:
    assert run(host, "echo hello; echo there >&2") == (0, "hello\nthere", "ended with exit code 0")


@pytest.mark.parametrize("code", [1, 2, 75, 76, 127, 255])
def test_its_exit_code_is_told(host: Host, code: int) -> None:
    assert run(host, f"exit {code}") == (code, "", f"ended with exit code {code}")


def test_the_signal_that_ended_it_is_named(host: Host) -> None:
    assert run(host, "echo so far; kill -9 $$") == (None, "so far", "was killed by SIGKILL")


NASTY = [
    "{{workflow.name}} {{=1+1}} {{inputs.parameters.node}}",
    """'single' "double" `backquotes` $(command) ${HOME} $1 \\ \\n %d %s""",
    "ünï ¥€ 升级 😀 \u200b \u2028",
    "tab\tand\rcarriage",
    "EOF\nEND\n--\n-rf /",
]


@pytest.mark.parametrize("text", NASTY)
def test_the_text_arrives_as_it_is(host: Host, text: str) -> None:
    script = f"cat <<'LAST WORD'\n{text}\nLAST WORD\n"
    assert run(host, script)[:2] == (0, text.rstrip("\n"))


@settings(max_examples=min(30, settings().max_examples), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_text_arrives_byte_for_byte(host: Host, text: str) -> None:
    script = f'exec sha256sum < "$0"\n#{text}'
    assert run(host, script, name=uuid.uuid4().hex)[1].split()[0] == hashlib.sha256(script.encode()).hexdigest()


def test_a_hundred_kilobytes_arrive(host: Host) -> None:
    script = 'wc -c < "$0"\nexit 0\n' + "# {{x}} '\"`$ü\n" * 8000
    assert len(script.encode()) > 100_000
    assert run(host, script)[1].strip() == str(len(script.encode()))


def test_only_root_may_read_it(host: Host) -> None:
    _, lines, _ = run(host, 'stat -c %a "$0" "$(dirname "$0")"')
    assert lines.split() == ["600", "700"]


def test_what_it_makes_is_not_everybodys_to_write(host: Host, tmp_path: Path) -> None:
    before = os.umask(0)  # as Argo's executor leaves it
    try:
        run(host, f"touch {tmp_path}/made")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o644


def test_it_sees_nothing_of_the_pods_environment(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    host = Host(host.job, prefix=(), root=host.root, marks=host.marks, env={"NODE_NAME": "gpu-1"})
    _, lines, _ = run(host, "env")
    seen = dict(line.split("=", 1) for line in lines.splitlines())
    assert "KUBERNETES_SERVICE_HOST" not in seen
    assert seen["OPSJOB_ID"] == "job-1"
    assert seen["NODE_NAME"] == "gpu-1"
    assert "/usr/sbin" in seen["PATH"]


def test_its_input_is_empty(host: Host) -> None:
    assert run(host, "cat; echo end")[:2] == (0, "end")


def test_a_second_run_is_refused(host: Host) -> None:
    run(host, "exit 1")
    with pytest.raises(BegunBeforeError, match="not run twice"):
        run(host, "echo again")


def test_cleaned_up_no_text_is_left_and_a_second_run_is_still_refused(host: Host) -> None:
    """Argo makes a pod again that was deleted with force."""
    run(host, "true # secret")
    host.clean()
    host.clean()
    assert [path.read_text() for path in host.root.rglob("*") if path.is_file()] == [""]
    with pytest.raises(BegunBeforeError):
        run(host, "true # secret")


def test_jobs_do_not_clean_up_after_each_other(host: Host) -> None:
    other = Host("job-2", prefix=(), root=host.root, marks=host.marks)
    run(other, "true")
    host.clean()
    assert [path.read_text() for path in (host.root / "job-2").iterdir()] == ["true"]


def test_a_reboot_does_not_make_it_run_twice(host: Host, tmp_path: Path) -> None:
    run(host, f"echo x >> {tmp_path}/log")
    shutil.rmtree(host.root)  # /run is memory
    with pytest.raises(BegunBeforeError):
        run(host, f"echo x >> {tmp_path}/log")
    assert (tmp_path / "log").read_text() == "x\n"
    assert not list(host.root.rglob("*-script")), "and its text is not put there again"


def test_a_mark_holds_nothing_of_the_script(host: Host) -> None:
    run(host, "true # secret")
    (mark,) = (path for path in host.marks.rglob("*") if path.is_file())
    assert (mark.name, mark.read_text(), stat.S_IMODE(mark.stat().st_mode)) == ("000-script", "", 0o600)


def test_a_host_that_keeps_no_mark_runs_it_and_says_what_that_means(
    host: Host, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    host.marks.write_text("as good as a disk that is read-only")
    assert run(host, "echo hello")[:2] == (0, "hello")
    said = capfdbinary.readouterr().out.decode()
    assert "is not remembered beyond a reboot of the host: " in said
    assert str(host.marks) in said
    with pytest.raises(BegunBeforeError):
        run(host, "echo hello")
    host.clean()


def test_what_was_begun_long_ago_is_forgotten(host: Host) -> None:
    month_ago = time.time() - 32 * 24 * 3600
    for folder in (host.root, host.marks):
        (folder / "job-0").mkdir(parents=True)
        os.utime(folder / "job-0", (month_ago, month_ago))
    run(host, "true")
    host.clean()
    assert [path.name for folder in (host.root, host.marks) for path in folder.iterdir()] == [host.job] * 2


def test_a_host_that_takes_no_file_says_so(host: Host) -> None:
    host.root.write_text("not a folder")
    with pytest.raises(HostError, match="could not be put on the host: "):
        run(host, "true")


def test_the_last_lines_are_kept_and_all_is_logged(host: Host, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    _, lines, _ = run(host, "seq 100000")
    assert lines.endswith("\n99999\n100000")
    assert len(lines.encode()) <= 1000
    assert capfdbinary.readouterr().out.split() == [str(number).encode() for number in range(1, 100001)]


def test_its_time_is_kept_for_all_that_it_started(host: Host, tmp_path: Path) -> None:
    begun = time.monotonic()
    code, lines, ending = run(host, f"sleep 60 & echo $! > {tmp_path}/pid; echo waiting; wait", timeout=1)
    assert (code, lines, ending) == (None, "waiting", "was ended after its 1 s were up")
    assert time.monotonic() - begun < 30
    wait_until(lambda: not alive(int((tmp_path / "pid").read_text())))


@pytest.mark.slow
def test_one_that_will_not_end_is_killed(host: Host, tmp_path: Path) -> None:
    script = f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 1; done"
    assert run(host, script, timeout=1)[2] == "was ended after its 1 s were up"
    wait_until(lambda: not alive(int((tmp_path / "pid").read_text())))


def test_what_it_leaves_in_the_background_is_not_waited_for(host: Host, tmp_path: Path) -> None:
    begun = time.monotonic()
    assert run(host, f"sleep 60 & echo $! > {tmp_path}/pid; echo done")[:2] == (0, "done")
    assert time.monotonic() - begun < 30
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_stop_ends_the_script_and_comes_through(host: Host, tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def stop_once_it_runs() -> None:
        wait_until(lambda: pid.exists() and pid.read_text().endswith("\n"))
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    helper = threading.Thread(target=stop_once_it_runs)
    helper.start()
    try:
        with pytest.raises(sigterm.StoppedError), sigterm.raising():
            run(host, f"echo $$ > {pid}; while :; do sleep 1; done")
    finally:
        signal.signal(signal.SIGTERM, before)
        helper.join()
    wait_until(lambda: not alive(int(pid.read_text())))

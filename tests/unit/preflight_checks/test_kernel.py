"""kernel: which messages count, and where they are looked for."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.preflight_checks.conftest import CHECKS, Ended, Pod

#: As kernels and drivers word them.
MESSAGES = {
    "xid": "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python3, GPU has fallen off the bus.",
    "nvrm": "NVRM: RmInitAdapter failed! (0x26:0x56:1474)",
    "amdgpu": "amdgpu 0000:03:00.0: amdgpu: ring gfx_0.0.0 timeout, signaled seq=1, emitted seq=3",
    "machine-check": "mce: [Hardware Error]: Machine check events logged",
    "io": "blk_update_request: I/O error, dev nvme0n1, sector 1234 op 0x0:(READ)",
    "oom": "Out of memory: Killed process 4321 (python3) total-vm:1kB, anon-rss:1kB",
    "hung-task": "INFO: task kworker/u8:1:77 blocked for more than 120 seconds.",
    "oops": "BUG: unable to handle page fault; Oops: 0002 [#1] SMP",
}
HARMLESS = [
    "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  550.54.15",
    "NVRM: Xid (PCI:0000:3b:00): 31, pid=9, name=python3, Ch 00000008, MMU Fault",
    "amdgpu 0000:03:00.0: amdgpu: SMU is initialized successfully!",
    "Memory cgroup out of memory: Killed process 99 (python3) total-vm:1kB",
    "EXT4-fs (sda1): mounted filesystem with ordered data mode",
]


def lines(*messages: str, hours_ago: float = 0, tag: str = "kernel:") -> str:
    stamp = (datetime.now(UTC) - timedelta(hours=hours_ago)).isoformat()
    return "".join(f"{stamp} node-1 {tag} [  123.456789] {message}\n" for message in messages)


def looked(pod: Pod, text: str, **env: object) -> Ended:
    return pod.run("kernel", KERNEL_LOGS=pod.write("kern.log", text), **env)


def counts(ended: Ended) -> dict[str, int]:
    """What was found, by kind."""
    kinds = {name.removeprefix("kernel-"): row["value"] for name, row in ended.rows.items() if name != "kernel-log"}
    return {kind: count for kind, count in kinds.items() if count}


@pytest.mark.parametrize("kind", MESSAGES)
def test_each_kind_is_found_and_quoted(pod: Pod, kind: str) -> None:
    ended = looked(pod, lines(*HARMLESS, MESSAGES[kind]))
    assert ended.code == 1, ended.output
    assert counts(ended) == {kind: 1}
    assert MESSAGES[kind] in ended.reason
    assert ended.rows[f"kernel-{kind}"]["action"]


def test_what_is_harmless_is_healthy(pod: Pod) -> None:
    ended = looked(pod, lines(*HARMLESS))
    assert (ended.code, counts(ended)) == (0, {})
    assert ended.rows["kernel-log"]["value"] == len(HARMLESS)


def test_what_programs_say_in_the_syslog_is_not_the_kernels(pod: Pod) -> None:
    assert looked(pod, lines(*MESSAGES.values(), tag="app[12]:")).code == 0


def test_old_messages_do_not_count(pod: Pod) -> None:
    old, new = lines(*MESSAGES.values(), hours_ago=30), lines(MESSAGES["io"], hours_ago=20)
    assert counts(looked(pod, old + new)) == {"io": 1}
    assert len(counts(looked(pod, old + new, KERNEL_HOURS=48))) == len(MESSAGES)


def test_the_form_of_time_without_a_year(pod: Pod) -> None:
    # Of the zone of the container, which is this machine's here.
    now = datetime.now()  # noqa: DTZ005
    stamps = [(now - timedelta(hours=hours)).strftime("%b %e %H:%M:%S") for hours in (50, 1)]
    text = "".join(f"{stamp} node-1 kernel: {MESSAGES['io']}\n" for stamp in stamps)
    assert counts(looked(pod, text)) == {"io": 1}


def test_the_file_before_the_last_rotation_is_read_too(pod: Pod) -> None:
    pod.write("kern.log.1", lines(MESSAGES["oom"]))
    assert counts(looked(pod, "")) == {"oom": 1}


def test_what_is_allowed_is_counted_and_healthy(pod: Pod) -> None:
    text = lines(MESSAGES["machine-check"], MESSAGES["machine-check"])
    assert looked(pod, text, KERNEL_MAX_MACHINE_CHECK=1).code == 1
    ended = looked(pod, text, KERNEL_MAX_MACHINE_CHECK=2)
    assert (ended.code, counts(ended)) == (0, {"machine-check": 2})


def test_what_is_ignored_does_not_count(pod: Pod) -> None:
    assert looked(pod, lines(MESSAGES["io"]), KERNEL_IGNORE="dev (sr|fd|nvme)0").code == 0
    assert looked(pod, lines(MESSAGES["xid"]), KERNEL_XID_IGNORE="13, 79").code == 0
    assert looked(pod, "", KERNEL_IGNORE="(").code == 2


def moved(pod: Pod) -> str:
    """The check, with nothing of this machine's own to read."""
    text = (CHECKS / "kernel.sh").read_text()
    return text.replace("/var/log", f"{pod.folder}/log").replace("/dev/kmsg", f"{pod.folder}/kmsg")


def test_no_log_at_all_could_not_be_tested(pod: Pod) -> None:
    ended = pod.ended(pod.begin(moved(pod)))
    assert ended.code == 2
    assert "there is no kernel log" in ended.reason


def test_the_journal(pod: Pod) -> None:
    pod.write("log/journal/0123/system.journal", "")
    pod.tool("journalctl", f"echo '2026-01-01T00:00:00+0000 node kernel: {MESSAGES['io']}'; echo \"$@\" >&2")
    ended = pod.ended(pod.begin(moved(pod)))
    assert (ended.code, counts(ended)) == (1, {"io": 1})


def test_a_journal_that_cannot_be_read(pod: Pod) -> None:
    pod.write("log/journal/0123/system.journal", "")
    pod.tool("journalctl", "echo 'insufficient permissions' >&2; exit 1")
    ended = pod.ended(pod.begin(moved(pod)))
    assert (ended.code, ended.reason) == (2, "kernel: journalctl: insufficient permissions")


#: Events as kernels tell them, corrected and not.
APEI = [
    "{1}[Hardware Error]: Hardware error from APEI Generic Hardware Error Source: 0",
    "{1}[Hardware Error]: It has been corrected by h/w and requires no further action",
    "{1}[Hardware Error]: event severity: corrected",
    "{1}[Hardware Error]:   section_type: memory error",
]
AMD = [
    "mce: [Hardware Error]: Machine check events logged",
    "[Hardware Error]: Corrected error, no action required.",
    "[Hardware Error]: CPU:2 (17:31:0) MC17_STATUS[-|CE|MiscV|AddrV|-|-|SyndV|CECC|-|-|-]: 0x9c2041000000011b",
    "[Hardware Error]: Unified Memory Controller Ext. Error Code: 0, DRAM ECC error.",
]
EDAC = ["EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0_Chan#0_DIMM#0 (channel:0 slot:0 page:0x1)"]


@pytest.mark.parametrize("event", [APEI, AMD, EDAC], ids=["APEI", "AMD", "EDAC"])
def test_memory_errors_that_were_corrected_have_a_line_of_their_own(pod: Pod, event: list[str]) -> None:
    """Called unhealthy before; a healthy machine has some."""
    ended = looked(pod, lines(*event))
    assert ended.code == 0, ended.output
    assert set(counts(ended)) == {"corrected"}
    assert looked(pod, lines(*event), KERNEL_MAX_CORRECTED=0).code == 1


@pytest.mark.parametrize(
    "event",
    [
        [line.replace("severity: corrected", "severity: fatal") for line in APEI if "h/w" not in line],
        [line.replace("Corrected error, no action", "Uncorrected, software restartable error") for line in AMD],
        [EDAC[0].replace("CE", "UE")],
        ["mce: [Hardware Error]: CPU 0: Machine Check Exception: 5 Bank 8: be00000000800400"],
    ],
)
def test_one_that_was_not_is_unhealthy_also_beside_those_that_were(pod: Pod, event: list[str]) -> None:
    ended = looked(pod, lines(*event, *EDAC))
    assert ended.code == 1, ended.output
    assert ended.rows["kernel-machine-check"]["value"] >= 1
    assert looked(pod, lines(*event)).code == 1


def test_a_file_that_nobody_writes_any_more_is_no_log(pod: Pod) -> None:
    """A node whose messages go to the journal alone was healthy by the kern.log of its first installation."""
    old = pod.write("log/kern.log", lines(MESSAGES["io"], hours_ago=100))
    os.utime(old, (0, time.time() - 100 * 3600))
    ended = pod.ended(pod.begin(moved(pod)))
    assert ended.code == 2, ended.output
    assert "there is no kernel log" in ended.reason
    pod.write("log/syslog", lines(MESSAGES["oom"]))
    assert counts(pod.ended(pod.begin(moved(pod)))) == {"oom": 1}

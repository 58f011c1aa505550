#!/bin/sh
# What has the kernel complained of? GPU faults (Xid, NVRM, amdgpu), machine checks, I/O errors, out of memory, hung
# tasks. Memory errors that the hardware corrected have a line of their own, and fail no node unless asked for.
#
# Reads the first of these that is there: the text files KERNEL_LOGS with their predecessors (kern.log.1), the journal
# in /var/log/journal if the image has journalctl, /dev/kmsg where a pod may read it (it is this boot's only). A file to
# which nothing was written in that time is no log any more. In the files of syslog only lines of the kernel count. Memory that a container's own limit refused is no fault of the node's.
#
# image:    any with python3 (for the journal one with journalctl too) whose user may read the logs: Debian's are for
#           root and the group adm alone
# hostpath: /var/log                                                           resource: cpu 200m, memory 128Mi
# env:   KERNEL_LOGS          /var/log/kern.log /var/log/messages /var/log/syslog
#        KERNEL_HOURS         24     how far to look back
#        KERNEL_MAX_XID, KERNEL_MAX_NVRM, KERNEL_MAX_AMDGPU, KERNEL_MAX_MACHINE_CHECK, KERNEL_MAX_IO, KERNEL_MAX_OOM,
#        KERNEL_MAX_HUNG_TASK, KERNEL_MAX_OOPS
#                             0      so many messages of a kind are healthy
#        KERNEL_MAX_CORRECTED        so many corrected memory errors are healthy; empty: any number
#        KERNEL_XID_IGNORE    13 31 43 45    Xids that programs cause and not the GPU
#        KERNEL_IGNORE        a regular expression: such messages do not count
command -v python3 >/dev/null || {
  echo "kernel: the image has no python3" >>/dev/termination-log
  exit 2
}
exec python3 - <<'EOF'
import json
import os
import sys
import traceback

# The same in every check in Python: its settings, what it found, and its end.
rows = []


def setting(name, default):
    text = os.environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:  # nor is NaN, which nothing is more or less than
        untested(f"{name} must be a number, it is {text!r}")
    return value


def found(name, ok, value=None, unit="", reason="", action=""):
    """Note one line of the report; ok: True, False, or None where it is not known."""
    status = {True: "pass", False: "fail", None: "error"}[ok]
    row = {"name": name, "ok": ok is True, "status": status, "value": value, "unit": unit}
    rows.append({**row, "reason": reason, "action": "" if ok else action})
    said = f"{name}: {status}" if value is None else f"{name}: {status}, {value} {unit}"
    print(f"{said} ({reason})" if reason else said)


def end(code, sentence=""):
    with open(os.environ.get("OPSJOB_RESULT") or os.devnull, "w", encoding="utf-8") as result:
        result.write('{"checks": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]}\n")
    if sentence:
        print(sentence, flush=True)
        try:
            with open("/dev/termination-log", "a", encoding="utf-8") as log:
                log.write(f"{sentence[:1000]}\n")
        except OSError:
            pass  # Not in a pod.
    sys.exit(code)


def untested(why):
    end(2, f"{NAME}: {why}")


def judged():
    for status, code in (("fail", 1), ("error", 2)):
        if said := [f"{row['name']}: {row['reason']}" for row in rows if row["status"] == status]:
            end(code, f"{NAME}: " + "; ".join(said))
    end(0)


def run(check):
    try:
        check()
    except Exception as error:
        traceback.print_exc()
        untested(f"the check itself broke: {error!r}")


NAME = "kernel"

import datetime
import glob
import re
import shutil
import subprocess
import time

LOGS = "/var/log/kern.log /var/log/messages /var/log/syslog"
JOURNAL = "/var/log/journal"
KMSG = "/dev/kmsg"
KINDS = {
    "xid": r"NVRM: Xid\b.*?\): (?P<xid>\d+)",
    "nvrm": r"NVRM: (?!Xid\b).*(?i:fail|error|is lost|fallen off)",
    "amdgpu": r"amdgpu.*(?:\*ERROR\*|GPU reset|ring \S+ timeout|uncorrectable|VRAM is lost)",
    "machine-check": r"\[Hardware Error\]|[Mm]achine [Cc]heck|EDAC .*\b[UC]E\b",
    "io": r"I/O error|medium error|EXT4-fs error|XFS .*(?:[Cc]orruption|Shutting down)|nvme\S* .*(?:timeout|is down)",
    "oom": r"\bOut of memory: Kill",
    "hung-task": r"blocked for more than \d+ seconds|soft lockup|hard LOCKUP|rcu.*detected stall",
    "oops": r"kernel BUG at|\bOops: |general protection fault|Kernel panic",
}
ACTIONS = {
    "xid": "look the Xid up in NVIDIA's catalogue; reset the GPU or reboot the node",
    "nvrm": "reboot the node; if it comes again, have the GPU looked at",
    "amdgpu": "reset the GPU or reboot the node",
    "machine-check": "have memory and CPU looked at",
    "io": "have the disk looked at",
    "oom": "find what took the node's memory",
    "hung-task": "look at the disk or file system that the task waited for; reboot the node",
    "oops": "reboot the node",
}
#: One event takes several lines of the kind machine-check, of which one or two say how grave it is.
CORRECTED = re.compile(r"(?<![Uu]n)[Cc]orrected (?:hardware |memory )?error|severity: corrected|corrected by h/w|\bCE\b")
GRAVE = re.compile(r"[Uu]ncorrect|\bUE\b|\b[Ff]atal|Machine Check Exception|severity: recoverable|[Dd]eferred error")
#: Other messages between two lines of one event.
BETWEEN = 3
FROM_KERNEL = re.compile(r"\bkernel(?:\[\d+\])?: ")
SYSLOG_TIME = re.compile(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d")


def written(line):
    """When, in seconds since 1970; None where that cannot be read."""
    try:
        if line[:4].isdigit():
            stamp = datetime.datetime.fromisoformat(re.sub(r"Z$|(?<=[+-]\d\d)(?=\d\d$)", _zone, line.split(" ", 1)[0]))
            return stamp.timestamp()
        if SYSLOG_TIME.match(line):
            now = datetime.datetime.now()
            stamp = datetime.datetime.strptime(f"{now.year} {line[:15]}", "%Y %b %d %H:%M:%S")
            # Without a year: what would be in the future was last year.
            later = stamp > now + datetime.timedelta(days=1)
            return (stamp.replace(year=now.year - 1) if later else stamp).timestamp()
    except ValueError:
        pass
    return None


def _zone(match):
    return "+00:00" if match[0] else ":"


def of_files(since):
    for name in (os.environ.get("KERNEL_LOGS") or LOGS).split():
        if os.path.exists(name) and os.path.getmtime(name) < since:
            print(f"{name}: nothing was written there for so long that another log is looked for")
        elif os.path.exists(name):
            print(f"reading {name}")
            return [line for path in (f"{name}.1", name) if os.path.exists(path) for line in of_file(path, since)]
    return None


def of_file(path, since):
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            # A message whose time is not known counts.
            return [line.rstrip() for line in lines if FROM_KERNEL.search(line) and (written(line) or since) >= since]
    except PermissionError:
        untested(f"{path} may not be read by user {os.getuid()}: take an image that runs as root")


def of_journal(since):
    if not glob.glob(f"{JOURNAL}/*/*.journal"):
        return None
    tool = shutil.which("journalctl")
    if not tool:
        untested(f"there is only {JOURNAL}, and the image has no journalctl to read it")
    print(f"reading {JOURNAL}")
    wanted = [f"--since=@{since:.0f}", "--output=short-iso", "--quiet", "--no-pager", "_TRANSPORT=kernel"]
    done = subprocess.run([tool, f"--directory={JOURNAL}", *wanted], capture_output=True, text=True, errors="replace")
    if done.returncode:
        untested(f"journalctl: {done.stderr.strip()}")
    return done.stdout.splitlines()


def of_kmsg(since):
    try:
        device = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    print(f"reading {KMSG}")
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    lines = []
    while True:
        try:
            record = os.read(device, 65536)
        except BlockingIOError:
            return lines
        except BrokenPipeError:
            continue  # Overwritten before it was read.
        if not record:
            return lines
        head, _, text = record.decode(errors="replace").partition(";")
        level, _, micros, *_ = head.split(",")
        # Programs may write there too.
        if int(level) >> 3 == 0 and booted + int(micros) / 1e6 >= since:
            lines.append(text.partition("\n")[0])


def corrected(lines):
    """Which of them are of memory errors that the hardware corrected, and which of these say so."""
    events, last = [], None
    for at, line in enumerate(lines):
        if re.search(KINDS["machine-check"], line):
            if last is None or at - last > BETWEEN + 1:
                events.append([])
            events[-1].append(line)
            last = at
    every, said = [], []
    for event in events:
        saying = [line for line in event if CORRECTED.search(line) and not GRAVE.search(line)]
        said += saying
        every += event if saying and not any(map(GRAVE.search, event)) else saying
    return every, said


def main():
    since = time.time() - setting("KERNEL_HOURS", 24) * 3600
    limits = {kind: setting(f"KERNEL_MAX_{kind.upper().replace('-', '_')}", 0) for kind in KINDS}
    try:
        ignored = re.compile(os.environ.get("KERNEL_IGNORE") or r"(?!)")
    except re.error as error:
        untested(f"KERNEL_IGNORE is no regular expression: {error}")
    harmless = os.environ.get("KERNEL_XID_IGNORE", "13 31 43 45").replace(",", " ").split()
    lines = next((lines for lines in (of(since) for of in (of_files, of_journal, of_kmsg)) if lines is not None), None)
    if lines is None:
        untested(f"there is no kernel log: is /var/log a hostpath of the job, and {LOGS} or {JOURNAL} on the node?")
    # None at all may be a log that is not written any more.
    found("kernel-log", True, len(lines), "messages", f"in {setting('KERNEL_HOURS', 24):g} hours")
    lines = [line for line in lines if not ignored.search(line)]
    harmed, said = corrected(lines)
    most = setting("KERNEL_MAX_CORRECTED", "inf")
    action = "if they come again and again, have the memory looked at"
    found("kernel-corrected", len(said) <= most, len(said), "messages", said[-1][:300] if said else "", action)
    # As often as they were said: the same words may also be of another event.
    for line in harmed:
        lines.remove(line)
    for kind, pattern in KINDS.items():
        matches = [(line, match) for line in lines if (match := re.search(pattern, line))]
        said = [line for line, match in matches if match.groupdict().get("xid") not in harmless]
        bad = len(said) > limits[kind]
        found(f"kernel-{kind}", not bad, len(said), "messages", said[-1][:300] if said else "", ACTIONS[kind])
    judged()


run(main)
EOF

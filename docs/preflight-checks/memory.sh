#!/bin/sh
# How fast is this node's memory, and is all of it there? Copies blocks on all CPUs at once and counts what is read and
# written; a channel that is missing or a NUMA setting gone wrong shows as a fraction of what its neighbours do.
#
# image: any with python3        hostpath: none
# resource: memory at least MEMORY_MIB and 128Mi more; cpu: all of the node's, or the figure is that of the CPUs it got
# env:   MEMORY_MIN_GIBS        5      GiB/s; say 80 % of what a healthy node of yours shows
#        MEMORY_MIN_TOTAL_GIB   0      as the kernel counts: somewhat less than what is built in
#        MEMORY_MIB             1024   in all; several times the CPUs' caches, or it is these that are measured
#        MEMORY_SECONDS         5
command -v python3 >/dev/null || {
  echo "memory: the image has no python3" >>/dev/termination-log
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


NAME = "memory"

import ctypes
import math
import threading
import time

MIB = 1 << 20
SPARE_MIB = 64


def text_of(*paths):
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                return file.read().strip()
        except OSError:
            continue
    return ""


def kernel_gib(field):
    return int(text_of("/proc/meminfo").partition(f"{field}:")[2].split()[0]) / MIB


def limit_mib():
    """What the pod may have (resource.memory); infinite where it has no limit."""
    text = text_of("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
    return int(text) / MIB if text.isdigit() else math.inf


def cpus():
    """Those that the pod may use at the same time."""
    allowed = sorted(os.sched_getaffinity(0))
    quota, period = (text_of("/sys/fs/cgroup/cpu.max") or "max 1").split()
    if quota == "max":
        quota = text_of("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") or "-1"
        period = text_of("/sys/fs/cgroup/cpu/cpu.cfs_period_us") or "1"
    return allowed if int(quota) < 0 else allowed[: max(1, math.ceil(int(quota) / int(period)))]


def copy(cpu, size, seconds, start, rates):
    os.sched_setaffinity(0, {cpu})
    # Touched here, so that it lies near this CPU. Unwritten pages would all be the same one.
    source, target = ctypes.create_string_buffer(size), ctypes.create_string_buffer(size)
    for block in (source, target):
        ctypes.memset(block, 1, size)
    start.wait()
    began, copies = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        ctypes.memmove(target, source, size)
        copies += 1
    rates.append(2 * copies * size / (time.monotonic() - began))


def main():
    wanted, total = setting("MEMORY_MIN_GIBS", 5), setting("MEMORY_MIN_TOTAL_GIB", 0)
    mib, seconds = setting("MEMORY_MIB", 1024), setting("MEMORY_SECONDS", 5)
    room = min(limit_mib(), kernel_gib("MemAvailable") * 1024) - SPARE_MIB
    if mib > room:
        untested(f"MEMORY_MIB is {mib:.0f}, and the pod has room for {room:.0f}: see resource.memory")
    size = kernel_gib("MemTotal")
    reason = f"{size:.1f} GiB, less than {total:g} GiB" if size < total else ""
    found("memory-size", not reason, round(size, 1), "GiB", reason, "look for a memory module that is missing")
    used, rates = cpus(), []
    start = threading.Barrier(len(used))
    block = int(mib * MIB / 2 / len(used))
    copying = [threading.Thread(target=copy, args=(cpu, block, seconds, start, rates), daemon=True) for cpu in used]
    for thread in copying:
        thread.start()
    for thread in copying:
        thread.join()
    if len(rates) < len(used):
        untested("not every CPU could copy")
    rate = sum(rates) / (1 << 30)
    slow = rate < wanted
    reason = f"{rate:.1f} GiB/s on {len(used)} CPUs" + (f", less than {wanted:g} GiB/s" if slow else "")
    found(
        "memory-bandwidth",
        not slow,
        round(rate, 2),
        "GiB/s",
        reason,
        "compare memory modules and NUMA with a healthy node",
    )
    judged()


run(main)
EOF

#!/bin/sh
# Does every CPU of this node work as fast as the others, with nothing that slows it? Keeps each CPU busy (SHA-256) for
# some seconds and says how much each did per second that it really ran, so a neighbour's work or the pod's own limit
# does not count against it; then what was stolen by a hypervisor, and how often CPUs were throttled for heat.
#
# image: any with python3        hostpath: none
# resource: memory 128Mi; cpu: all of the node's, or a heat problem may not show
# env:   CPU_SECONDS               10
#        CPU_MIN_MIBS              100   MiB/s the slowest CPU has to hash; say 80 % of what a healthy node shows
#        CPU_MIN_EVEN_PERCENT      60    the slowest CPU, of the middle one
#        CPU_MAX_STEAL_PERCENT     5
#        CPU_MAX_THROTTLED         0     times that CPUs were throttled for heat meanwhile
command -v python3 >/dev/null || {
  echo "cpu: the image has no python3" >>/dev/termination-log
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


NAME = "cpu"

import glob
import hashlib
import statistics
import threading
import time

BLOCK = bytes(1 << 20)


def hash_on(cpu, seconds, start, done):
    os.sched_setaffinity(0, {cpu})
    start.wait()
    began, ran, blocks = time.monotonic(), time.thread_time(), 0
    digest = hashlib.sha256()
    while time.monotonic() - began < seconds:
        digest.update(BLOCK)
        blocks += 1
    ran = time.thread_time() - ran
    done[cpu] = (blocks / max(ran, 1e-3), 100 * ran / (time.monotonic() - began))


def numbers(pattern):
    """The files' numbers added up; None where there are no such files."""
    texts = []
    for path in glob.glob(pattern):
        with open(path, encoding="utf-8") as file:
            texts.append(file.read())
    return sum(int(text) for text in texts) if texts else None


def times():
    """Of all CPUs since boot: all there was, and what a hypervisor took."""
    with open("/proc/stat", encoding="utf-8") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    return sum(fields), fields[7]


def burn(seconds):
    used, done = sorted(os.sched_getaffinity(0)), {}
    start = threading.Barrier(len(used))
    busy = [threading.Thread(target=hash_on, args=(cpu, seconds, start, done), daemon=True) for cpu in used]
    for thread in busy:
        thread.start()
    for thread in busy:
        thread.join()
    if len(done) < len(used):
        untested(f"of {len(used)} CPUs only {len(done)} could be used")
    return done


def main():
    seconds, least = setting("CPU_SECONDS", 10), setting("CPU_MIN_MIBS", 100)
    even, most_steal = setting("CPU_MIN_EVEN_PERCENT", 60), setting("CPU_MAX_STEAL_PERCENT", 5)
    most_throttled = setting("CPU_MAX_THROTTLED", 0)
    heat = "/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count"
    (all_before, stolen_before), hot_before = times(), numbers(heat)
    done = burn(seconds)
    (all_after, stolen_after), hot_after = times(), numbers(heat)

    slowest = min(done, key=lambda cpu: done[cpu][0])
    rate, middle = done[slowest][0], statistics.median(rate for rate, _ in done.values())
    had = statistics.mean(share for _, share in done.values())
    slow = rate < least
    reason = f"CPU {slowest} is the slowest of {len(done)}; they ran {had:.0f} % of the time" + (
        f"; less than {least:g} MiB/s" if slow else ""
    )
    found(
        "cpu-throughput",
        not slow,
        round(rate, 1),
        "MiB/s",
        reason,
        "compare frequency and power settings with a healthy node",
    )
    percent = 100 * rate / middle
    reason = (
        ""
        if percent >= even
        else f"CPU {slowest} does {percent:.0f} % of what the middle one does, less than {even:g} %"
    )
    found("cpu-evenness", not reason, round(percent, 1), "%", reason, "look for a core that is throttled")
    stolen = 100 * (stolen_after - stolen_before) / max(1, all_after - all_before)
    reason = "" if stolen <= most_steal else f"{stolen:.1f} % were taken by the hypervisor, more than {most_steal:g} %"
    found("cpu-steal", not reason, round(stolen, 2), "%", reason, "the host of this virtual machine is overbooked")
    if hot_before is not None and hot_after is not None:
        times_hot = hot_after - hot_before
        reason = "" if times_hot <= most_throttled else f"throttled {times_hot} times for heat"
        found("cpu-throttled", not reason, times_hot, "times", reason, "look at fans and heat sinks")
    judged()


run(main)
EOF

#!/bin/sh
# How far is this node's clock off, and does anything keep it right? Needs no privilege, only python3.
#
# It asks an HTTP server for its Date several times within a second. Each answer says "my clock is in this second", and
# together these say by how much ours is off, to about a tenth of a second. The kernel's own view (adjtimex: does
# something like chrony or systemd-timesyncd steer it) is read beside that; where chrony runs without `rtcsync` the
# kernel says "not synchronised" of a clock that is right, so by itself that fails no node unless asked for.
#
# image: any with python3                     hostpath: none                     resource: cpu 100m, memory 64Mi
# env:   CLOCK_URL            the server; empty: the cluster's API server (an answer of any status will do)
#        CLOCK_MAX_SECONDS    1      how far off it may be
#        CLOCK_REQUIRE_SYNC   0      1: a clock that nothing steers is unhealthy
command -v python3 >/dev/null || {
  echo "clock: the image has no python3" >>/dev/termination-log
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


NAME = "clock"

import ctypes
import email.utils
import http.client
import ssl
import time
import urllib.parse

ASKED = 12
STA_UNSYNC = 0x40


class Timex(ctypes.Structure):
    _fields_ = [
        ("modes", ctypes.c_uint),
        *[(name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")],
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 40),
    ]


def server():
    url = os.environ.get("CLOCK_URL")
    if url:
        return url
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        untested("there is no CLOCK_URL, and no KUBERNETES_SERVICE_HOST to ask instead")
    return f"https://[{host}]:{port}/version" if ":" in host else f"https://{host}:{port}/version"


def bounds(url):
    """One answer: our clock is ahead of the server's by at least, and by at most, so many seconds."""
    place = urllib.parse.urlsplit(url)
    if place.scheme == "https":
        # Only the Date is read, and no certificate of the cluster's is in this pod to prove it with.
        trusting = ssl._create_unverified_context()
        asked = http.client.HTTPSConnection(place.hostname, place.port, timeout=10, context=trusting)
    else:
        asked = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    try:
        asked.connect()
        before = time.time()
        asked.request("GET", urllib.parse.urlunsplit(("", "", place.path or "/", place.query, "")))
        date = asked.getresponse().getheader("Date")
        after = time.time()
    finally:
        asked.close()
    if not date:
        untested(f"{url} answers without a Date")
    second = email.utils.parsedate_to_datetime(date).timestamp()
    return before - second - 1, after - second


def offset(url):
    low, high = bounds(url)
    for number in range(1, ASKED):
        # Spread over a second, whatever an answer takes.
        time.sleep((number / ASKED - time.time()) % 1)
        lower, upper = bounds(url)
        if max(low, lower) <= min(high, upper):
            low, high = max(low, lower), min(high, upper)
    return (low + high) / 2, (high - low) / 2


def steered():
    """What the kernel knows: whether anything steers the clock; None where it may not be asked."""
    timex = Timex()
    try:
        if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
            return None
    except (OSError, AttributeError):
        return None
    return not timex.status & STA_UNSYNC


def main():
    limit, url = setting("CLOCK_MAX_SECONDS", 1), server()
    try:
        off, unsure = offset(url)
    except (OSError, http.client.HTTPException, TypeError, ValueError) as error:
        untested(f"{url} could not be asked: {error}")
    far = abs(off) - unsure > limit
    side = "ahead of" if off > 0 else "behind"
    reason = f"{abs(off):.2f} s (± {unsure:.2f}) {side} {url}" + (f", more than {limit:g} s" if far else "")
    found("clock", not far, round(off, 3), "s", reason, "see whether chrony or timesyncd runs on the node")
    known = steered()
    needed = setting("CLOCK_REQUIRE_SYNC", 0) > 0
    said = {True: "", False: "nothing steers the kernel's clock", None: "the kernel could not be asked"}[known]
    found("clock-sync", True if not needed or known else known, {True: "yes", False: "no", None: "?"}[known], "", said)
    judged()


run(main)
EOF

#!/bin/sh
# Do all nodes of the job reach each other, quickly enough? Each check serves, and tries each of its peers: round trips,
# then throughput of one connection, to one peer after another (rank + 1 first, then rank + 2, …, so no node is
# everybody's). Every two peers then tell each other whom they found bad. A node that most others have trouble with is
# to blame, and it alone is unhealthy; trouble between two that are otherwise fine makes both unhealthy.
#
# It must run on two nodes or more. A peer that has not started within NETWORK_WAIT_SECONDS is named and left out: the
# report has it as not tested anyway. With n nodes it takes some n × NETWORK_SECONDS.
#
# image: any with python3        hostpath: none        resource: cpu 1 (less slows the figures), memory 256Mi
# env:   NETWORK_MAX_MS          10    round trip, the middle one of 50
#        NETWORK_MIN_MIBS        100   MiB/s over one TCP connection
#        NETWORK_SECONDS         1     of sending to each peer
#        NETWORK_WAIT_SECONDS    300   for the peers to start
#        NETWORK_PORT            18620 one that nothing else has, where the job's pods share the host's network
command -v python3 >/dev/null || {
  echo "network: the image has no python3" >>/dev/termination-log
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


NAME = "network"

import concurrent.futures
import socket
import statistics
import struct
import threading
import time

ROUND_TRIPS = 50
BLOCK = bytes(1 << 20)
TIMEOUT = 15
#: So many lines of the report are one peer's each; those of bad ones first.
PEER_LINES = 60
LOOK = "look at cable, switch port, NIC and the network policies"
#: What a connection begins with: are you there, ping-pong, so much data, whom did you find bad.
HELLO, PING, DATA, FINDINGS = b"h", b"p", b"d", b"f"


class Peer:
    def __init__(self, rank, node, host):
        self.rank, self.node, self.host = rank, node, host
        self.started = self.reached = False
        self.problem = ""
        self.slow = {}
        self.ms = self.mibs = None


class Server:
    """What peers ask this check for."""

    def __init__(self, port, patience):
        self.patience = patience
        self.mine = None
        self.measured = threading.Event()
        self.told, self.asking, self.answered = {}, set(), set()
        # Tests run several checks on one machine, each with an address of its own.
        address = os.environ.get("NETWORK_BIND", "")
        if not address and socket.has_dualstack_ipv6():
            self.socket = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
        else:
            self.socket = socket.create_server((address, port), backlog=1024)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection:
            connection.settimeout(TIMEOUT)
            try:
                wish = connection.recv(1)
                if wish == HELLO:
                    connection.sendall(HELLO)
                elif wish == PING:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    while byte := connection.recv(1):
                        connection.sendall(byte)
                elif wish == DATA:
                    buffer, count = bytearray(len(BLOCK)), 0
                    while more := connection.recv_into(buffer):
                        count += more
                    connection.sendall(struct.pack("!Q", count))
                elif wish == FINDINGS:
                    theirs = json.loads(everything(connection))
                    self.asking.add(theirs["rank"])
                    self.told[theirs["rank"]] = theirs
                    self.measured.wait(self.patience)
                    connection.sendall(json.dumps(self.mine).encode())
                    self.answered.add(theirs["rank"])
            except (OSError, ValueError, KeyError, TypeError):
                pass  # Its sender says so.


def everything(connection):
    text = b""
    while (more := connection.recv(65536)) and len(text) < len(BLOCK):
        text += more
    return text.decode()


def connected(peer, port, wish, timeout=TIMEOUT):
    connection = socket.create_connection((peer.host, port), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(wish)
    return connection


def reach(peer, port, until):
    """Wait for a peer to start; its name is known once its pod has an address."""
    while not peer.reached:
        try:
            socket.getaddrinfo(peer.host, port)
            peer.started = True
            with connected(peer, port, HELLO, min(TIMEOUT, max(1, until - time.monotonic()))) as connection:
                peer.reached = connection.recv(1) == HELLO
                peer.problem = "" if peer.reached else "something else answers"
        except socket.gaierror as error:
            peer.problem = f"has not started: {peer.host}: {error.strerror}"
        except OSError as error:
            peer.problem = f"cannot be reached: {error}"
        if time.monotonic() > until:
            return
        time.sleep(0 if peer.reached else 0.5)


def time_round_trips(peer, port):
    times = []
    with connected(peer, port, PING) as connection:
        for _ in range(ROUND_TRIPS):
            began = time.perf_counter()
            connection.sendall(PING)
            if not connection.recv(1):
                raise ConnectionError("the connection was closed")
            times.append(time.perf_counter() - began)
    peer.ms = 1000 * statistics.median(times)


def send(peer, port, seconds):
    with connected(peer, port, DATA) as connection:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            connection.sendall(BLOCK)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(TIMEOUT + seconds)
        answer = connection.recv(8)
        if len(answer) < 8:
            raise ConnectionError("the connection was closed")
        peer.mibs = struct.unpack("!Q", answer)[0] / (1 << 20) / (time.perf_counter() - began)


def measure(peers, port, seconds, most_ms, least_mibs):
    """Try what can be reached; `problem` then says what is wrong with each."""
    for step in (lambda peer: time_round_trips(peer, port), lambda peer: send(peer, port, seconds)):
        for peer in peers:
            if not peer.reached or peer.problem:
                continue
            try:
                step(peer)
            except OSError as error:
                peer.problem = f"broke off: {error}"
    for peer in peers:
        if peer.problem or not peer.reached:
            continue
        if peer.ms > most_ms:
            peer.slow["latency"] = f"{peer.ms:.2f} ms, more than {most_ms:g}"
        if peer.mibs < least_mibs:
            peer.slow["throughput"] = f"{peer.mibs:.0f} MiB/s, less than {least_mibs:g}"
        peer.problem = " and ".join(peer.slow.values())


def exchange(server, peers, port):
    """What all peers found, by rank: told by those that ask, and asked of those that can be reached."""
    server.measured.set()

    def ask(peer):
        try:
            with connected(peer, port, FINDINGS + json.dumps(server.mine).encode()) as connection:
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(server.patience)
                theirs = json.loads(everything(connection))
                server.told.setdefault(theirs["rank"], theirs)
                return theirs
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"{peer.node} did not say what it found: {error}")
            return None

    with concurrent.futures.ThreadPoolExecutor(256) as pool:
        answers = list(pool.map(ask, [peer for peer in peers if peer.reached]))
    return [answer for answer in answers if answer]


def blamed(rank, pairs, present):
    """Whether more than half of the others have trouble with it."""
    return 2 * sum(frozenset((rank, other)) in pairs for other in present) > len(present) - 1


def in_time(condition, until):
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)


def listed():
    hosts = os.environ.get("OPSJOB_PEERS")
    if not hosts:
        untested("OPSJOB_PEERS is not set, so the peers' names are not known")
    with open(hosts, encoding="utf-8") as file, open("/etc/opsjob/nodes", encoding="utf-8") as nodes:
        everyone = [Peer(*each) for each in zip(range(1 << 20), nodes.read().split(), file.read().split())]
    if len(everyone) < 2:
        untested("there is only this node, and a network needs two")
    rank = int(os.environ["OPSJOB_RANK"])
    return rank, everyone[rank + 1 :] + everyone[:rank]


def say(peers, pairs, present):
    """Lines of the report: how many are there, the worst figures, and each peer's own."""
    absent = [peer for peer in peers if not peer.started]
    away = [peer for peer in peers if peer.started and not peer.reached]
    reached = len(peers) - len(absent) - len(away)
    reason = "; ".join(f"{peer.node} {peer.problem}" for peer in away + absent)
    found("peers", False if away else None if absent else True, reached, f"of {len(peers)}", reason, LOOK)
    for name, unit, worst, value in (
        ("latency", "ms", max, lambda peer: peer.ms),
        ("throughput", "MiB/s", min, lambda peer: peer.mibs),
    ):
        known = [peer for peer in peers if value(peer) is not None]
        if known:
            last = worst(known, key=value)
            slow = "; ".join(f"{peer.node} {peer.slow[name]}" for peer in known if name in peer.slow)
            found(name, not slow, round(value(last), 3), unit, slow or f"{last.node}, the worst of {len(known)}", LOOK)
    for peer in sorted(peers, key=lambda peer: not peer.problem)[:PEER_LINES]:
        theirs = "; most others have trouble with it" if peer.problem and blamed(peer.rank, pairs, present) else ""
        reason = peer.problem + theirs if peer.problem else f"{peer.ms:.2f} ms"
        mibs = None if peer.mibs is None else round(peer.mibs, 1)
        found(f"to {peer.node}", None if peer in absent else not peer.problem, mibs, "MiB/s", reason, LOOK)


def main():
    rank, peers = listed()
    most_ms, least_mibs = setting("NETWORK_MAX_MS", 10), setting("NETWORK_MIN_MIBS", 100)
    seconds, wait = setting("NETWORK_SECONDS", 1), setting("NETWORK_WAIT_SECONDS", 300)
    port = int(setting("NETWORK_PORT", 18620))
    # As long as one may take that waits for a late peer to the end, and then measures all.
    patience = wait + (TIMEOUT + 3 * seconds) * len(peers)
    try:
        server = Server(port, patience)
    except OSError as error:
        untested(f"port {port} cannot be served on: {error}")
    until = time.monotonic() + wait
    with concurrent.futures.ThreadPoolExecutor(256) as pool:
        list(pool.map(lambda peer: reach(peer, port, until), peers))
    measure(peers, port, seconds, most_ms, least_mibs)
    bad = [peer.rank for peer in peers if peer.started and peer.problem]
    server.mine = {"rank": rank, "bad": bad, "unreached": [peer.rank for peer in peers if not peer.reached]}
    opinions = exchange(server, peers, port)

    # Who leaves first takes its findings along, so all that can ask are answered before.
    coming = {theirs["rank"] for theirs in opinions if rank not in theirs["unreached"]}
    in_time(lambda: coming | server.asking <= server.answered, time.monotonic() + TIMEOUT)
    opinions = [server.mine, *opinions, *server.told.values()]
    judge(rank, peers, opinions)


def judge(rank, peers, opinions):
    pairs = {frozenset((each["rank"], other)) for each in opinions for other in each["bad"]}
    present = {*(each["rank"] for each in opinions), *(peer.rank for peer in peers if peer.started)}
    say(peers, pairs, present)
    if present == {rank}:
        untested("no peer has started: " + "; ".join(f"{peer.node} {peer.problem}" for peer in peers[:5]))
    trouble = [peer for peer in peers if frozenset((rank, peer.rank)) in pairs]
    if blamed(rank, pairs, present):
        end(1, f"network: trouble between this node and most others: {named(trouble)}")
    if mutual := [peer for peer in trouble if not blamed(peer.rank, pairs, present)]:
        end(1, f"network: trouble between this node and {named(mutual)}")
    end(0, f"network: well here; most others too have trouble with {named(trouble)}" if trouble else "")


def named(peers):
    return "; ".join(f"{peer.node} {peer.problem or 'finds so'}" for peer in peers)


run(main)
EOF

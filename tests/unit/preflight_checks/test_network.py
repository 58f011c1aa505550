"""network: several checks on this machine, each with an address of its own, reach each other or not."""

import random
from collections.abc import Callable

import pytest

from tests.unit.preflight_checks.conftest import CHECKS, Ended, Pod

NODES = ["a", "b", "c", "d"]
PLENTY = {"NETWORK_MIN_MIBS": 0.1, "NETWORK_MAX_MS": 5000, "NETWORK_SECONDS": 0.1, "NETWORK_WAIT_SECONDS": 20}

Made = Callable[[int], list[Pod]]


@pytest.fixture
def net() -> str:
    """Addresses of this machine that no other test uses."""
    return f"127.{random.randint(1, 254)}.{random.randint(1, 254)}"  # noqa: S311 - no secret


def together(pods: list[Pod], hosts: list[str], binds: list[str], **env: object) -> list[Ended]:
    """The first so many nodes' checks at the same time."""
    text = (CHECKS / "network.sh").read_text()
    running = []
    for rank, (pod, bind) in enumerate(zip(pods, binds, strict=False)):
        pod.nodes = NODES[: len(hosts)]
        peers = pod.write("peers", "".join(f"{host}\n" for host in hosts))
        given = PLENTY | {"OPSJOB_PEERS": peers, "OPSJOB_RANK": rank, "NETWORK_BIND": bind} | env
        running.append(pod.begin(text, **given))
    return [pod.ended(process) for pod, process in zip(pods, running, strict=True)]


def test_all_reach_all(pods: Made, net: str) -> None:
    hosts = [f"{net}.{number}" for number in range(1, 5)]
    for rank, ended in enumerate(together(pods(4), hosts, hosts)):
        assert (ended.code, ended.reason) == (0, ""), ended.output
        assert ended.rows["peers"]["value"] == 3
        assert ended.rows["latency"]["value"] > 0
        assert ended.rows["throughput"]["value"] > 0.1
        others = [node for node in NODES if node != NODES[rank]]
        assert sorted(name for name in ended.rows if name.startswith("to ")) == [f"to {node}" for node in others]


def test_a_network_that_is_too_slow(pods: Made, net: str) -> None:
    hosts = [f"{net}.1", f"{net}.2"]
    for rank, ended in enumerate(together(pods(2), hosts, hosts, NETWORK_MIN_MIBS=10**7)):
        other = NODES[1 - rank]
        assert ended.code == 1
        assert f"trouble between this node and most others: {other}" in ended.reason
        assert "MiB/s, less than 1e+07" in ended.reason
        assert not ended.rows["throughput"]["ok"]
        assert ended.rows["latency"]["ok"]


@pytest.mark.slow
def test_one_that_nobody_reaches_is_alone_unhealthy(pods: Made, net: str) -> None:
    """Its own calls all arrive: it learns from the others that it is to blame."""
    hosts = [f"{net}.{number}" for number in range(1, 5)]
    a, b, c, d = together(pods(4), hosts, [*hosts[:3], f"{net}.9"], NETWORK_WAIT_SECONDS=4)
    for ended in (a, b, c):
        assert ended.code == 0, ended.output
        assert "most others too have trouble with d cannot be reached" in ended.reason
        assert not ended.rows["to d"]["ok"]
        assert not ended.rows["peers"]["ok"]
    assert d.code == 1, d.output
    assert "trouble between this node and most others: a finds so; b finds so; c finds so" in d.reason


@pytest.mark.slow
def test_one_that_never_starts_is_named_and_nobodys_fault(pods: Made, net: str) -> None:
    hosts = [f"{net}.1", f"{net}.2", "nobody.invalid"]
    for ended in together(pods(2), hosts, hosts[:2], NETWORK_WAIT_SECONDS=3):
        assert ended.code == 0, ended.output
        assert ended.rows["peers"]["status"] == "error"
        assert "c has not started: nobody.invalid" in ended.rows["peers"]["reason"]
        assert ended.rows["to c"]["status"] == "error"


@pytest.mark.slow
def test_one_that_starts_late_is_waited_for(pods: Made, net: str) -> None:
    first, second = pods(2)
    hosts = [f"{net}.1", f"{net}.2"]
    text = (CHECKS / "network.sh").read_text()
    running = []
    for rank, pod in enumerate((first, second)):
        pod.nodes = NODES[:2]
        peers = pod.write("peers", "\n".join(hosts))
        late = "sleep 2\n" if rank else ""
        given = PLENTY | {"OPSJOB_PEERS": peers, "OPSJOB_RANK": rank, "NETWORK_BIND": hosts[rank]}
        running.append(pod.begin(late + text, **given))
    for pod, process in zip((first, second), running, strict=True):
        ended = pod.ended(process)
        assert ended.code == 0, ended.output


def test_nobody_else_started(pods: Made, net: str) -> None:
    (ended,) = together(pods(1), [f"{net}.1", "nobody.invalid"], [f"{net}.1"], NETWORK_WAIT_SECONDS=1)
    assert ended.code == 2
    assert "no peer has started: b has not started" in ended.reason


def test_one_node_or_no_names_could_not_be_tested(pods: Made, net: str) -> None:
    (ended,) = together(pods(1), [f"{net}.1"], [f"{net}.1"])
    assert (ended.code, ended.reason) == (2, "network: there is only this node, and a network needs two")
    (ended,) = together(pods(1)[:1], [f"{net}.1"], [f"{net}.1"], OPSJOB_PEERS="")
    assert (ended.code, "OPSJOB_PEERS is not set" in ended.reason) == (2, True)

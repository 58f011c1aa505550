"""Which test has which node: each by one at a time, and nobody waits for ever."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.node_pool import NoNodeError, locked, taken

NAMES = ["node-1", "node-2", "node-3", "node-4"]


def in_threads(*each: Callable[[], None]) -> None:
    threads = [threading.Thread(target=one) for one in each]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_no_node_is_ever_held_twice_and_everybody_gets_theirs(tmp_path: Path) -> None:
    held: list[str] = []
    served: list[int] = []
    twice: list[str] = []

    def one(count: int) -> None:
        with taken(NAMES, count, tmp_path, seconds=20) as mine:
            twice.extend(set(mine) & set(held))
            held.extend(mine)
            time.sleep(0.01)
            for name in mine:
                held.remove(name)
        served.append(count)

    counts = [1, 4, 2, 1, 3, 1, 2, 4, 1, 1]
    in_threads(*(lambda count=count: one(count) for count in counts))
    assert sorted(served) == sorted(counts)
    assert twice == []


def test_nodes_come_in_order_of_their_names_and_the_preferred_ones_first(tmp_path: Path) -> None:
    with taken(NAMES[::-1], 2, tmp_path, seconds=1) as mine:
        assert mine == ["node-3", "node-4"]


def test_who_wants_all_is_not_overtaken_for_ever(tmp_path: Path) -> None:
    begun, done = threading.Event(), threading.Event()

    def many() -> None:
        begun.wait(10)
        with taken(NAMES, 4, tmp_path, seconds=20):
            done.set()

    def few() -> None:
        while not done.is_set():
            with taken(NAMES, 1, tmp_path, seconds=20):
                begun.set()
                time.sleep(0.01)

    in_threads(many, few, few, few)


def test_nodes_that_stay_away_are_named(tmp_path: Path) -> None:
    with taken(NAMES, 4, tmp_path, seconds=1), pytest.raises(NoNodeError, match="1 of node-1, node-2 were not free"):  # noqa: SIM117
        with taken(NAMES[:2], 1, tmp_path, seconds=0.2):
            pass
    with taken(NAMES, 4, tmp_path, seconds=1) as mine:
        assert mine == NAMES


def test_more_nodes_than_there_are_is_said_at_once(tmp_path: Path) -> None:
    with (
        pytest.raises(NoNodeError, match="3 nodes are wanted and there are 2"),
        taken(NAMES[:2], 3, tmp_path, seconds=60),
    ):
        pass


def test_a_locked_file_waits(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "run"):
            order.append("second")

    with locked(tmp_path / "run"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.05)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]

import ipaddress
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cluster.network import MAX_NODES, Address, free_subnet, wait_for_port
from local_cluster.stages import Stage, StageError


def test_the_first_network_is_taken_where_nothing_is_in_the_way() -> None:
    assert free_subnet([]) == "172.30.0.0/24"


@pytest.mark.parametrize("taken", ["172.30.0.0/24", "172.30.0.128/25", "172.30.0.7"])
def test_a_network_that_overlaps_in_part_is_passed_over(taken: str) -> None:
    assert free_subnet([taken]) == "172.30.1.0/24"


def test_another_address_family_is_in_nobodys_way() -> None:
    assert free_subnet(["fd00::/8", "192.0.2.0/24"]) == "172.30.0.0/24"


def test_a_full_machine_is_told_what_is_in_use() -> None:
    with pytest.raises(StageError, match=r"172\.30\.0\.0/24 to 172\.30\.255\.0/24"):
        free_subnet(["172.16.0.0/12"])


@given(st.lists(st.integers(0, 255), max_size=60))
def test_what_is_chosen_overlaps_nothing(thirds: list[int]) -> None:
    taken = [f"172.30.{third}.0/24" for third in thirds]
    chosen = ipaddress.ip_network(free_subnet(taken))
    assert not any(chosen.overlaps(ipaddress.ip_network(cidr)) for cidr in taken)


def test_every_node_has_an_address_and_a_pod_range_of_its_own_inside_the_network() -> None:
    addresses = [Address("172.30.4.0/24", index) for index in range(MAX_NODES + 1)]
    assert (
        len({address.ip for address in addresses}) == len({address.pod_cidr for address in addresses}) == MAX_NODES + 1
    )
    assert all(ipaddress.ip_address(one.ip) in ipaddress.ip_network(one.subnet) for one in addresses)


def test_a_port_is_waited_for_until_somebody_listens(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        late = threading.Timer(0.7, listener.listen)
        late.start()
        wait_for_port("127.0.0.1", listener.getsockname()[1], Stage("Wait", tmp_path / "log"), seconds=60)
        late.join()
    assert "refused" in (tmp_path / "log").read_text()


def test_a_port_at_which_nobody_listens_is_said_so(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with pytest.raises(StageError, match=f"nothing listens at 127.0.0.1:{port}"):
            wait_for_port("127.0.0.1", port, Stage("Wait", tmp_path / "log"), seconds=0)

"""The shipped scripts at work, their paths moved below a folder: done, seen as done, and done again without harm.

On a real node only disable-os-upgrade is run (tests/e2e/test_addon.py): the others change the kernel's settings of the
machine that the local cluster's nodes share.
"""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.unit.chart.rendering import CHART


class Node:
    """A folder that stands for a node's file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said = ""

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(f"{text}\n")

    def read(self, path: str) -> str:
        return (self.root / path).read_text().strip()

    def has(self, path: str) -> bool:
        return (self.root / path).exists()

    def run(self, addon: str, text: str = "script") -> int:
        script: str = yaml.safe_load((CHART / "files" / "addontemplates" / f"{addon}.yaml").read_text())["spec"][text]
        for top in ("sys", "etc", "proc"):
            # Only where a path begins: not the /proc of a path inside another.
            script = script.replace(f" /{top}/", f" {self.root}/{top}/").replace(f"=/{top}/", f"={self.root}/{top}/")
            script = script.replace(f'"/{top}/', f'"{self.root}/{top}/')
        done = subprocess.run(["/bin/sh"], input=script, capture_output=True, text=True, check=False)
        self.said = done.stdout + done.stderr
        return done.returncode

    def in_place(self, addon: str) -> bool:
        return self.run(addon, "check") == 0


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


GOVERNOR = "sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"
GOVERNOR_AT_BOOT = "etc/tmpfiles.d/opsjobs-cpu-performance-governor.conf"


def test_every_cpu_gets_the_performance_governor(node: Node) -> None:
    for cpu in (0, 1, 11):
        node.write(GOVERNOR.format(cpu), "powersave")
    assert not node.in_place("cpu-performance-governor")
    for _ in range(2):
        assert node.run("cpu-performance-governor") == 0, node.said
        assert [node.read(GOVERNOR.format(cpu)) for cpu in (0, 1, 11)] == ["performance"] * 3
        assert node.in_place("cpu-performance-governor")
    assert node.read(GOVERNOR_AT_BOOT).endswith("scaling_governor - - - - performance")


def test_one_cpu_that_was_changed_back_is_noticed(node: Node) -> None:
    for cpu in (0, 1):
        node.write(GOVERNOR.format(cpu), "powersave")
    node.run("cpu-performance-governor")
    node.write(GOVERNOR.format(1), "powersave")
    assert not node.in_place("cpu-performance-governor")


def test_a_virtual_machine_says_that_it_has_no_governor(node: Node) -> None:
    assert node.run("cpu-performance-governor") == 1
    assert "does not let the OS set CPU frequencies" in node.said
    assert not node.in_place("cpu-performance-governor")
    assert not node.has(GOVERNOR_AT_BOOT)


def test_huge_pages_that_are_right_already_are_kept_over_a_boot(node: Node) -> None:
    for switch in ("enabled", "defrag"):
        node.write(f"sys/kernel/mm/transparent_hugepage/{switch}", "always [madvise] never")
    assert not node.in_place("transparent-huge-pages"), "nothing sets it at boot yet"
    assert node.run("transparent-huge-pages") == 0, node.said
    assert node.in_place("transparent-huge-pages")
    assert node.read("etc/tmpfiles.d/opsjobs-transparent-huge-pages.conf").count("- - - - madvise") == 2


def test_huge_pages_are_switched(node: Node) -> None:
    for switch in ("enabled", "defrag"):
        node.write(f"sys/kernel/mm/transparent_hugepage/{switch}", "[always] madvise never")
    assert node.run("transparent-huge-pages") == 0, node.said
    assert node.read("sys/kernel/mm/transparent_hugepage/enabled") == "madvise"
    assert node.read("sys/kernel/mm/transparent_hugepage/defrag") == "madvise"


def test_a_kernel_without_huge_pages_says_so(node: Node) -> None:
    assert node.run("transparent-huge-pages") == 1
    assert "built without transparent huge pages" in node.said


SETTINGS_AT_BOOT = "etc/sysctl.d/90-opsjobs-training.conf"


def test_kernel_limits_are_raised_and_never_lowered(node: Node) -> None:
    node.write("proc/sys/vm/max_map_count", "65530")
    node.write("proc/sys/net/core/rmem_max", "999999999")
    node.write("proc/sys/kernel/numa_balancing", "1")
    assert not node.in_place("sysctl-training")
    for _ in range(2):
        assert node.run("sysctl-training") == 0, node.said
        assert node.read("proc/sys/vm/max_map_count") == "1048576"
        assert node.read("proc/sys/net/core/rmem_max") == "999999999"
        assert node.read("proc/sys/kernel/numa_balancing") == "0"
        assert node.in_place("sysctl-training")
    at_boot = node.read(SETTINGS_AT_BOOT)
    assert "-vm.max_map_count = 1048576" in at_boot
    assert "-net.core.rmem_max = 999999999" in at_boot


def test_settings_a_kernel_does_not_have_are_named_and_left_out(node: Node) -> None:
    node.write("proc/sys/vm/max_map_count", "65530")
    assert node.run("sysctl-training") == 0, node.said
    assert "kernel.numa_balancing: this kernel does not have it" in node.said
    assert "numa_balancing" not in node.read(SETTINGS_AT_BOOT)
    assert node.in_place("sysctl-training")


def test_a_setting_that_was_changed_back_is_noticed(node: Node) -> None:
    node.write("proc/sys/vm/max_map_count", "65530")
    node.run("sysctl-training")
    node.write("proc/sys/vm/max_map_count", "65530")
    assert not node.in_place("sysctl-training")

"""What holds for every ready-made check, and for several made into one."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.preflight_checks.conftest import CHECKS, Pod
from workflow_templates.preflight import check_results

ALL = sorted(path.stem for path in CHECKS.glob("*.sh") if path.stem != "combine")
IN_PYTHON = [name for name in ALL if "exec python3" in (CHECKS / f"{name}.sh").read_text()]
#: A setting that is no number.
SETTING = {
    "clock": "CLOCK_MAX_SECONDS",
    "cpu": "CPU_MIN_MIBS",
    "disk": "DISK_MIN_FREE_GIB",
    "gpu-amd": "GPU_MAX_CELSIUS",
    "gpu-nvidia": "GPU_MAX_CELSIUS",
    "kernel": "KERNEL_MAX_IO",
    "memory": "MEMORY_MIN_GIBS",
}


def shared(name: str) -> str:
    """What every check says the same way: its settings, what it found, and its end."""
    begin, end = ("# The same in every check", "\n\nrun(" if name in IN_PYTHON else "\nnumber() {")
    text = (CHECKS / f"{name}.sh").read_text()
    part = text[text.index(begin) : text.index(end)]
    return part.partition("\nNAME = ")[0].partition("\ndef run(")[0]


@pytest.mark.parametrize("name", ALL)
def test_what_checks_share_is_the_same_text(name: str) -> None:
    assert shared(name) == shared("clock" if name in IN_PYTHON else "disk")


@pytest.mark.parametrize("name", ALL)
def test_the_header_says_what_it_needs_and_names_every_setting(name: str) -> None:
    header, _, body = (CHECKS / f"{name}.sh").read_text().partition("\n\n" if name not in IN_PYTHON else "\ncommand -v")
    for word in ("image:", "hostpath:", "resource:", "env:"):
        assert f"# {word}" in header or f" {word}" in header, word
    used = set(re.findall(r'(?:setting\(|environ\.get\(|number )"?([A-Z]+_[A-Z_]+)"?', body))
    # The environment's own, and what only tests set.
    own = {"OPSJOB_RESULT", "OPSJOB_PEERS", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "NETWORK_BIND"}
    for setting in used - own:
        assert setting.rstrip("_") in header, setting


@pytest.mark.parametrize("name", ALL)
def test_the_readme_lists_it(name: str) -> None:
    assert f"({name}.sh)" in (CHECKS / "README.md").read_text()


@pytest.mark.parametrize("value", ["much", "nan", "-1", "1.2.3"])
@pytest.mark.parametrize("name", sorted(SETTING))
def test_a_setting_that_is_no_number_is_said(pod: Pod, name: str, value: str) -> None:
    """Nothing is more than NaN, and no time is less than none: with such limits everything was healthy."""
    ended = pod.run(name, **{SETTING[name]: value, "CLOCK_URL": "http://127.0.0.1:1"})
    assert ended.code == 2
    assert ended.reason == f"{name}: {SETTING[name]} must be a number, it is {value!r}"


@pytest.mark.parametrize("name", IN_PYTHON)
def test_an_image_without_python_could_not_test(pod: Pod, name: str) -> None:
    ended = pod.run(name, PATH=str(pod.folder / "tools"))
    assert (ended.code, ended.reason) == (2, f"{name}: the image has no python3")


def test_several_in_one(pod: Pod) -> None:
    text = combined("disk", "memory", "gpu-nvidia")
    settings = {"DISK_PATHS": pod.folder, "DISK_MIN_FREE_GIB": 0, "DISK_MIN_FREE_PERCENT": 0}
    little = {"MEMORY_MIB": 8, "MEMORY_SECONDS": 0.1, "MEMORY_MIN_GIBS": 0}
    ended = pod.ended(pod.begin(text, **settings, **little))
    assert ended.code == 2
    assert ended.reason.startswith("gpu-nvidia: there is no nvidia-smi")
    assert list(ended.rows) == [f"disk {pod.folder}", f"inodes {pod.folder}", "memory-size", "memory-bandwidth"]
    ended = pod.ended(pod.begin(text, **settings, **(little | {"MEMORY_MIN_GIBS": 1e6})))
    assert ended.code == 1, "unhealthy is worse than not tested"
    found, _ = check_results.checks({"checks": list(ended.rows.values())})
    assert found[-1].status == "fail"


def test_one_of_several_that_was_killed_could_not_test_and_costs_the_others_nothing(pod: Pod, tmp_path: Path) -> None:
    killed = tmp_path / "killed.sh"
    killed.write_text("exit 137\n")
    settings = {"DISK_PATHS": pod.folder, "DISK_MIN_FREE_GIB": 0, "DISK_MIN_FREE_PERCENT": 0}
    ended = pod.ended(pod.begin(combined("disk", str(killed)), **settings))
    assert ended.code == 2
    assert list(ended.rows) == [f"disk {pod.folder}", f"inodes {pod.folder}"]


def test_what_several_have_found_is_written_after_each(pod: Pod, tmp_path: Path) -> None:
    """The job's timeout may end the second of them, and the shell with it."""
    last = tmp_path / "last.sh"
    last.write_text("kill -KILL $$\n")
    settings = {"DISK_PATHS": pod.folder, "DISK_MIN_FREE_GIB": 0, "DISK_MIN_FREE_PERCENT": 0}
    ended = pod.ended(pod.begin(combined("disk", str(last)), **settings))
    assert ended.code not in (0, 1)
    assert list(ended.rows) == [f"disk {pod.folder}", f"inodes {pod.folder}"]


def combined(*names: str) -> str:
    """Of the ready-made ones by name, and of others by path."""
    paths = [name if name.endswith(".sh") else str(CHECKS / f"{name}.sh") for name in names]
    return subprocess.run(["/bin/sh", CHECKS / "combine.sh", *paths], capture_output=True, text=True, check=True).stdout

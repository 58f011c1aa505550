"""gpu-nvidia and gpu-amd against tools that print what the makers document; no GPU was there to try them on."""

import json
from typing import Any

import pytest

from tests.unit.preflight_checks.conftest import Ended, Pod

H100 = "NVIDIA H100 80GB HBM3"
#: What a healthy node of two answers, by question.
NVIDIA = {
    "index,name": f"0, {H100}\n1, {H100}",
    "index,temperature.gpu": "0, 35\n1, 41",
    "index,ecc.errors.uncorrected.volatile.total": "0, 0\n1, 0",
    "index,retired_pages.double_bit.count": "0, [N/A]\n1, [N/A]",
    "index,retired_pages.pending": "0, [N/A]\n1, [N/A]",
    "index,clocks_event_reasons.hw_thermal_slowdown": "0, Not Active\n1, Not Active",
    "index,clocks_event_reasons.hw_power_brake_slowdown": "0, Not Active\n1, Not Active",
    "index,clocks_event_reasons.sw_thermal_slowdown": "0, Not Active\n1, Not Active",
    "gpu_uuid,remapped_rows.uncorrectable": "GPU-aa, 0\nGPU-bb, 0",
    "gpu_uuid,remapped_rows.pending": "GPU-aa, No\nGPU-bb, No",
    "gpu_uuid,remapped_rows.failure": "GPU-aa, No\nGPU-bb, No",
}
LINK = "\t Link {}: 26.562 GB/s\n"
ERRORS = "\t Link {0}: Replay Errors: 0\n\t Link {0}: Recovery Errors: 0\n\t Link {0}: CRC Errors: 0\n"


def of_gpus(lines: str, links: int = 2) -> str:
    return "".join(
        f"GPU {gpu}: {H100} (UUID: GPU-{gpu}1d2)\n" + "".join(lines.format(link) for link in range(links))
        for gpu in (0, 1)
    )


def nvidia(pod: Pod, status: str = of_gpus(LINK), errors: str = of_gpus(ERRORS), **env: object) -> Ended:
    return asked_nvidia(pod, {}, status, errors, **env)


def asked_nvidia(
    pod: Pod,
    other: dict[str, str | None],
    status: str = of_gpus(LINK),
    errors: str = of_gpus(ERRORS),
    **env: object,
) -> Ended:
    """The check on a node that answers as `other` says, else like a healthy one; None: the field is not known."""
    cases = "".join(
        f"--query-gpu={question} | --query-remapped-rows={question})\ncat <<'EOF'\n{answer}\nEOF\n;;\n"
        for question, answer in (NVIDIA | other).items()
        if answer is not None
    )
    links = f"nvlink--status)\ncat <<'EOF'\n{status}\nEOF\n;;\nnvlink--errorcounters)\ncat <<'EOF'\n{errors}\nEOF\n;;\n"
    unknown = '*) echo "Field is not a valid field to query."; exit 2;;'
    pod.tool("nvidia-smi", f'case "$1" in nvlink) set -- "$1$2";; esac\ncase "$1" in\n{cases}{links}{unknown}\nesac')
    return pod.run("gpu-nvidia", **env)


def test_healthy_gpus_of_nvidia(pod: Pod) -> None:
    ended = nvidia(pod, GPU_COUNT=2, GPU_MIN_NVLINKS=2)
    assert (ended.code, ended.reason) == (0, ""), ended.output
    values = {name: row["value"] for name, row in ended.rows.items()}
    assert values == {
        "gpu-count": 2,
        "gpu-temperature": 41,
        "gpu-ecc": 0,
        "gpu-remapped-rows": 0,
        "gpu-memory-repair": None,
        "gpu-slowed": None,
        "gpu-nvlinks": 2,
        "gpu-nvlink-errors": 0,
    }
    assert ended.rows["gpu-count"]["reason"] == H100
    assert "gpu-retired-pages: not known of these GPUs" in ended.output


@pytest.mark.parametrize(
    ("question", "answer", "row", "said"),
    [
        ("index,temperature.gpu", "0, 35\n1, 91", "gpu-temperature", "more than 85: GPU 1: 91"),
        ("index,ecc.errors.uncorrected.volatile.total", "0, 7\n1, 0", "gpu-ecc", "more than 0: GPU 0: 7"),
        ("index,retired_pages.double_bit.count", "0, 0\n1, 2", "gpu-retired-pages", "GPU 1: 2"),
        ("index,retired_pages.pending", "0, Yes\n1, No", "gpu-memory-repair", "GPU 0: pages to retire"),
        ("gpu_uuid,remapped_rows.uncorrectable", "GPU-aa, 0\nGPU-bb, 1", "gpu-remapped-rows", "GPU GPU-bb: 1"),
        ("gpu_uuid,remapped_rows.pending", "GPU-aa, 1\nGPU-bb, 0", "gpu-memory-repair", "GPU-aa: rows to remap"),
        ("gpu_uuid,remapped_rows.failure", "GPU-aa, No\nGPU-bb, Yes", "gpu-memory-repair", "GPU-bb: no spare rows"),
        (
            "index,clocks_event_reasons.hw_thermal_slowdown",
            "0, Not Active\n1, Active",
            "gpu-slowed",
            "GPU 1: hw_thermal_slowdown",
        ),
    ],
)
def test_each_fault_is_named_with_its_gpu(pod: Pod, question: str, answer: str, row: str, said: str) -> None:
    ended = asked_nvidia(pod, {question: answer})
    assert ended.code == 1, ended.output
    assert [name for name, found in ended.rows.items() if not found["ok"]] == [row]
    assert said in ended.rows[row]["reason"]
    assert said in ended.reason
    assert ended.rows[row]["action"]


@pytest.mark.parametrize("answer", ["[Unknown Error]", "", "ERR!", "[Insufficient Permissions]"])
@pytest.mark.parametrize("question", [question for question in NVIDIA if question != "index,name"])
def test_an_answer_that_is_not_understood_is_no_health(pod: Pod, question: str, answer: str) -> None:
    """Called healthy before: whatever was no number counted as a GPU that does not have it."""
    first, second = NVIDIA[question].splitlines()
    ended = asked_nvidia(pod, {question: f"{first.split(',')[0]}, {answer}\n{second}"})
    assert ended.code == 2, ended.output
    (row,) = [found for found in ended.rows.values() if not found["ok"]]
    assert row["status"] == "error"
    assert (answer or "no answer") in ended.reason


@pytest.mark.parametrize("answer", ["[GPU requires reset]", "[GPU is lost]"])
@pytest.mark.parametrize("question", ["index,temperature.gpu", "index,retired_pages.pending", "index,name"])
def test_a_gpu_that_asks_for_a_reset_is_unhealthy(pod: Pod, question: str, answer: str) -> None:
    ended = asked_nvidia(pod, {question: f"0, {answer}\n{NVIDIA[question].splitlines()[1]}"})
    assert ended.code == 1, ended.output
    assert answer in ended.reason


@pytest.mark.parametrize("answer", ["[N/A]", "[Not Supported]"])
def test_what_a_gpu_does_not_have_is_not_known(pod: Pod, answer: str) -> None:
    every: dict[str, str | None] = {
        question: f"0, {answer}\n1, {answer}" for question in NVIDIA if question != "index,name"
    }
    ended = asked_nvidia(pod, every)
    assert ended.code == 0, ended.output
    for name in ("temperature", "ecc", "remapped-rows", "memory-repair", "slowed"):
        assert f"gpu-{name}: not known of these GPUs" in ended.output
        assert f"gpu-{name}" not in ended.rows


def test_a_gpu_that_a_question_leaves_out_is_not_tested(pod: Pod) -> None:
    ended = asked_nvidia(pod, {"index,temperature.gpu": "0, 35"})
    assert (ended.code, ended.rows["gpu-temperature"]["status"]) == (2, "error")
    assert "1 answers of 2 GPUs" in ended.reason


@pytest.mark.parametrize(
    "question", [question for question in NVIDIA if question.startswith("index,") and "name" not in question]
)
def test_nor_is_a_question_to_which_nothing_is_said(pod: Pod, question: str) -> None:
    """Called healthy before: no line at all is not the word for what these GPUs do not have."""
    ended = asked_nvidia(pod, {question: ""})
    assert ended.code == 2, ended.output
    assert "no answer" in ended.reason


def test_a_question_that_fails_otherwise_than_by_an_unknown_field(pod: Pod) -> None:
    pod.tool(
        "nvidia-smi",
        f"""case "$1" in
        --query-gpu=index,name) printf '0, {H100}\\n' ;;
        *) echo 'Unable to determine the device handle for GPU0000:3B:00.0: Unknown Error'; exit 255 ;; esac""",
    )
    ended = pod.run("gpu-nvidia")
    assert ended.code == 2, ended.output
    assert "Unable to determine the device handle" in ended.reason


def test_links_of_which_nobody_knows_how_they_are(pod: Pod) -> None:
    assert nvidia(pod, status=of_gpus("\t Link {}: <Unknown Error>\n")).code == 2
    assert nvidia(pod, errors=of_gpus(ERRORS).replace("CRC Errors: 0", "CRC Errors: ERR!", 1)).code == 2


def test_drivers_before_535_have_other_names_for_what_slows_clocks(pod: Pod) -> None:
    names = [question for question in NVIDIA if "clocks_event" in question]
    old: dict[str, str | None] = dict.fromkeys(names)
    old["index,clocks_throttle_reasons.hw_power_brake_slowdown"] = "0, Active\n1, Active"
    ended = asked_nvidia(pod, old)
    assert "GPU 0: hw_power_brake_slowdown, GPU 1: hw_power_brake_slowdown" in ended.reason


def test_a_gpu_that_is_missing(pod: Pod) -> None:
    ended = nvidia(pod, GPU_COUNT=8)
    assert (ended.code, ended.rows["gpu-count"]["value"]) == (1, 2)
    assert "2 of 8" in ended.reason


def test_a_driver_that_does_not_answer_is_unhealthy(pod: Pod) -> None:
    pod.tool("nvidia-smi", "echo 'Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.'; exit 15")
    ended = pod.run("gpu-nvidia")
    assert (ended.code, ended.rows["gpu-driver"]["value"]) == (1, 15)
    assert "GPU is lost" in ended.reason


def test_links_that_are_down_or_have_errors(pod: Pod) -> None:
    down = of_gpus(LINK).replace("Link 1: 26.562 GB/s", "Link 1: <inactive>", 1)
    ended = nvidia(pod, status=down, GPU_MIN_NVLINKS=2)
    assert "fewer than 2: GPU 0: 1 up, 1 inactive" in ended.reason
    ended = nvidia(pod, errors=of_gpus(ERRORS).replace("CRC Errors: 0", "CRC Errors: 12", 1))
    assert "more than 0: GPU 0 link 0: 12" in ended.reason
    assert nvidia(pod, status="", errors="").code == 0, "not every GPU has links"
    assert "shows no NVLink" in nvidia(pod, status="", errors="", GPU_MIN_NVLINKS=18).reason


def test_without_the_tools_nothing_could_be_tested(pod: Pod) -> None:
    for check, tool in (("gpu-nvidia", "nvidia-smi"), ("gpu-amd", "amd-smi")):
        ended = pod.run(check)
        assert ended.code == 2
        assert tool in ended.reason


def amd(pod: Pod, *, wrapped: bool = False, **fields: Any) -> Ended:
    """The check on a node of two AMD GPUs, the second of which has these fields."""
    healthy = {
        "temperature": {"edge": "N/A", "hotspot": {"value": 40, "unit": "C"}, "mem": {"value": 36, "unit": "C"}},
        "ecc": {"total_correctable_count": 3, "total_uncorrectable_count": 0},
        "xgmi_err": "N/A",
        "retired": "No bad pages found.",
        "pending": "No bad pages found.",
        "un_res": "No bad pages found.",
    }
    gpus = [{"gpu": 0, **healthy}, {"gpu": 1, **healthy, **fields}]
    pod.write("gpus.json", json.dumps({"gpu_data": gpus} if wrapped else gpus, indent=4))
    pod.tool("amd-smi", f"echo 'WARNING: a notice'; cat {pod.folder}/gpus.json")
    return pod.run("gpu-amd", GPU_COUNT=2)


@pytest.mark.parametrize("wrapped", [False, True])
def test_healthy_gpus_of_amd(pod: Pod, wrapped: bool) -> None:  # noqa: FBT001 - pytest's own
    ended = amd(pod, wrapped=wrapped)
    assert ended.code == 0, ended.output
    assert {name: row["value"] for name, row in ended.rows.items()} == {
        "gpu-count": 2,
        "gpu-temperature": 40,
        "gpu-ecc": 0,
        "gpu-retired-pages": 0,
    }


@pytest.mark.parametrize(
    ("fields", "row", "said"),
    [
        ({"temperature": {"hotspot": {"value": 104, "unit": "C"}}}, "gpu-temperature", "more than 95: GPU 1: 104"),
        ({"ecc": {"total_uncorrectable_count": 2}}, "gpu-ecc", "more than 0: GPU 1: 2"),
        ({"pending": [{"page_address": "0x1", "page_size": "0x1000"}]}, "gpu-retired-pages", "GPU 1: 1"),
        ({"xgmi_err": "AMDSMI_XGMI_STATUS_ERROR"}, "gpu-xgmi", "GPU 1: AMDSMI_XGMI_STATUS_ERROR"),
    ],
)
def test_each_fault_of_an_amd_gpu(pod: Pod, fields: dict[str, Any], row: str, said: str) -> None:
    ended = amd(pod, **fields)
    assert ended.code == 1, ended.output
    assert said in ended.rows[row]["reason"]
    assert said in ended.reason


@pytest.mark.parametrize(
    ("fields", "row"),
    [
        ({"temperature": {"hotspot": {"value": "ERROR", "unit": "C"}}}, "gpu-temperature"),
        ({"temperature": {"fan": 3}}, "gpu-temperature"),
        ({"temperature": {"hotspot": {"value": "nan", "unit": "C"}}}, "gpu-temperature"),
        ({"temperature": {"hotspot": float("nan")}}, "gpu-temperature"),
        ({"ecc": {"total_uncorrectable_count": -1}}, "gpu-ecc"),
        ({"temperature": None}, "gpu-temperature"),
        ({"ecc": {"total_uncorrectable_count": "AMDSMI_STATUS_IO"}}, "gpu-ecc"),
        ({"ecc": {}}, "gpu-ecc"),
        ({"pending": "Unable to read the EEPROM"}, "gpu-retired-pages"),
        ({"xgmi_err": "AMDSMI_STATUS_BUSY"}, "gpu-xgmi"),
    ],
)
def test_an_answer_of_amds_that_is_not_understood_is_no_health(pod: Pod, fields: dict[str, Any], row: str) -> None:
    ended = amd(pod, **fields)
    assert ended.code == 2, ended.output
    assert ended.rows[row]["status"] == "error"
    assert "GPU 1" in ended.rows[row]["reason"]


def test_what_an_amd_gpu_does_not_have_is_not_known(pod: Pod) -> None:
    ended = amd(pod, temperature="N/A", ecc="N/A", retired="N/A", pending="N/A", un_res="N/A")
    assert (ended.code, ended.rows["gpu-ecc"]["value"]) == (0, 0), ended.output


def test_an_amd_gpu_that_a_question_leaves_out(pod: Pod) -> None:
    two, one = json.dumps([{"gpu": 0}, {"gpu": 1}]), json.dumps([{"gpu": 0, "temperature": {"edge": 40}}])
    pod.tool(
        "amd-smi",
        f"""case "$*" in list*) echo '{two}' ;; *temperature*) echo '{one}' ;;
        *) echo 'error: unrecognized arguments' >&2; exit 2 ;; esac""",
    )
    ended = pod.run("gpu-amd")
    assert (ended.code, ended.rows["gpu-temperature"]["reason"]) == (2, "not understood: GPU 1: no answer")


def test_a_question_that_an_amd_tool_fails_at(pod: Pod) -> None:
    two = json.dumps([{"gpu": 0}, {"gpu": 1}])
    pod.tool("amd-smi", f"""case "$*" in list*) echo '{two}' ;; *) echo 'AMDSMI_STATUS_TIMEOUT' >&2; exit 22 ;; esac""")
    ended = pod.run("gpu-amd")
    assert ended.code == 2
    assert "AMDSMI_STATUS_TIMEOUT" in ended.reason


def test_a_sensor_that_rocm_smi_cannot_read(pod: Pod) -> None:
    pod.tool("rocm-smi", f"echo '{json.dumps({'card0': {'Temperature (Sensor edge) (C)': 'error'}})}'")
    assert pod.run("gpu-amd").code == 2


def test_an_amd_driver_that_does_not_answer(pod: Pod) -> None:
    pod.tool("amd-smi", "echo 'amdgpu not loaded' >&2; exit 1")
    assert pod.run("gpu-amd").code == 1


def test_rocm_smi_where_there_is_no_amd_smi(pod: Pod) -> None:
    card = {"Temperature (Sensor edge) (C)": "52.0", "Temperature (Sensor junction) (C)": "99.0"}
    pod.tool("rocm-smi", f"echo '{json.dumps({'card0': card, 'system': {'Driver version': '6.7'}})}'")
    ended = pod.run("gpu-amd")
    assert (ended.code, ended.rows["gpu-count"]["value"]) == (1, 1)
    assert "more than 95: GPU 0: 99" in ended.reason
    assert pod.run("gpu-amd", GPU_MAX_CELSIUS=100).code == 0

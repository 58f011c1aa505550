#!/bin/sh
# Are all AMD GPUs there and well? What amd-smi, or else rocm-smi, says of their number, temperature, uncorrectable
# errors, retired pages and XGMI links (rocm-smi: number and temperature only). UNTESTED ON HARDWARE: written after
# AMD's documentation and tried with tools that only print; what a tool does not tell is left out.
#
# image:    one of ROCm's with its tools, like rocm/dev-ubuntu-24.04:6.4.1 (python3 is in it)
# hostpath: none
# resource: gpu: all of the node's (the chart's preflight.gpuResource: amd.com/gpu); cpu 500m, memory 512Mi
# env:   GPU_COUNT            how many there must be; empty: at least one
#        GPU_MAX_CELSIUS      95   the hottest sensor: edge, hotspot (junction) or memory
#        GPU_MAX_ECC          0    uncorrectable errors since the driver was loaded, of each GPU
#        GPU_MAX_RETIRED      0    pages retired or waiting for it, of each GPU
command -v python3 >/dev/null || {
  echo "gpu-amd: the image has no python3" >>/dev/termination-log
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
        return float(text)
    except ValueError:
        untested(f"{name} must be a number, it is {text!r}")


def found(name, ok, value=None, unit="", reason="", action=""):
    """Note one line of the report; ok: True, False, or None where nobody knows."""
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


NAME = "gpu-amd"

import re
import shutil
import subprocess


def tool(name):
    return shutil.which(name) or shutil.which(f"/opt/rocm/bin/{name}")


def asked(*command):
    """What a tool says as JSON, by GPU; None where it does not know the question."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    start = re.search(r"^[\[{]", done.stdout, re.MULTILINE)
    if done.returncode or not start:
        print(f"{' '.join(command)}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()[:300]}")
        return None
    said, _ = json.JSONDecoder().raw_decode(done.stdout[start.start() :])
    if isinstance(said, dict):
        # Newer versions of amd-smi put the list into an object; rocm-smi answers {"card0": {…}}.
        said = said.get("gpu_data") or [
            {"gpu": name.removeprefix("card"), **of} for name, of in said.items() if name != "system"
        ]
    return {str(gpu.get("gpu")): gpu for gpu in said}


def number(value):
    """35, "35.0" or {"value": 35, "unit": "C"}; None for "N/A"."""
    if isinstance(value, dict):
        value = value.get("value")
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def limited(name, values, unit, limit, action):
    """Note the highest; the GPUs over the limit are named."""
    known = {gpu: value for gpu, value in values.items() if value is not None}
    if not known:
        print(f"{name}: not told by the tool")
        return
    over = ", ".join(f"GPU {gpu}: {value:g}" for gpu, value in known.items() if value > limit)
    found(name, not over, max(known.values()), unit, f"more than {limit:g}: {over}" if over else "", action)


def hottest(readings, pattern):
    values = [number(value) for name, value in (readings or {}).items() if re.search(pattern, name, re.IGNORECASE)]
    return max((value for value in values if value is not None), default=None)


def pages(of):
    """How many are listed under retired, pending and un_res; a sentence stands where there are none."""
    return sum(len(of[key]) for key in ("retired", "pending", "un_res") if isinstance(of.get(key), list))


def counted(gpus):
    wanted = os.environ.get("GPU_COUNT")
    right = len(gpus) == setting("GPU_COUNT", 0) if wanted else bool(gpus)
    reason = "" if right else f"{len(gpus)} of {wanted}" if wanted else "there is none"
    found("gpu-count", right, len(gpus), "GPUs", reason, "look for amdgpu in the kernel's log; reboot the node")


def by_amd_smi(smi, celsius, ecc, retired):
    gpus = asked(smi, "list", "--json")
    if gpus is None:
        found("gpu-driver", False, reason="amd-smi does not answer", action="reboot the node")
        return
    counted(gpus)
    heat = asked(smi, "metric", "--temperature", "--json") or {}
    degrees = {gpu: hottest(of.get("temperature"), "edge|hotspot|junction|mem") for gpu, of in heat.items()}
    limited("gpu-temperature", degrees, "C", celsius, "look at fans and heat sinks")
    errors = asked(smi, "metric", "--ecc", "--json") or {}
    counts = {gpu: number((of.get("ecc") or {}).get("total_uncorrectable_count")) for gpu, of in errors.items()}
    limited("gpu-ecc", counts, "errors", ecc, "reset the GPU; if they come again, have it replaced")
    bad = asked(smi, "bad-pages", "--json") or {}
    limited(
        "gpu-retired-pages", {gpu: pages(of) for gpu, of in bad.items()}, "pages", retired, "have the GPU looked at"
    )
    links = asked(smi, "metric", "--xgmi-err", "--json") or {}
    states = {gpu: str(of.get("xgmi_err", "N/A")) for gpu, of in links.items()}
    broken = [f"GPU {gpu}: {state}" for gpu, state in states.items() if "ERROR" in state and "NO_ERROR" not in state]
    if any(state != "N/A" for state in states.values()):
        found(
            "gpu-xgmi", not broken, len(broken), "GPUs", ", ".join(broken), "reset the GPUs; have the links looked at"
        )


def by_rocm_smi(smi, celsius):
    gpus = asked(smi, "--showtemp", "--json")
    if gpus is None:
        found("gpu-driver", False, reason="rocm-smi does not answer", action="reboot the node")
        return
    counted(gpus)
    degrees = {gpu: hottest(of, r"^Temperature") for gpu, of in gpus.items()}
    limited("gpu-temperature", degrees, "C", celsius, "look at fans and heat sinks")


def main():
    celsius, ecc, retired = setting("GPU_MAX_CELSIUS", 95), setting("GPU_MAX_ECC", 0), setting("GPU_MAX_RETIRED", 0)
    if smi := tool("amd-smi"):
        by_amd_smi(smi, celsius, ecc, retired)
    elif smi := tool("rocm-smi"):
        by_rocm_smi(smi, celsius)
    else:
        untested("the image has neither amd-smi nor rocm-smi")
    judged()


run(main)
EOF

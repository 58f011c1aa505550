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


NAME = "gpu-amd"

import math
import re
import shutil
import subprocess


def tool(name):
    return shutil.which(name) or shutil.which(f"/opt/rocm/bin/{name}")


#: How the tools say that these GPUs, or this version, do not have what was asked for. Whatever else is no number is
#: an answer that is not understood, and may come from a broken GPU.
NOT_KNOWN = re.compile(r"n/?a|not supported|amdsmi_status_not_supported", re.IGNORECASE)
NO_QUESTION = re.compile(r"unrecognized argument|invalid choice|not supported|no such option", re.IGNORECASE)
NO_PAGES = re.compile(r"no (bad|retired|pending|unreservable) pages? found\.?", re.IGNORECASE)


def asked(*command):
    """What a tool says as JSON, by GPU, and what went wrong; None and nothing where it does not know the question."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    start = re.search(r"^[\[{]", done.stdout, re.MULTILINE)
    if done.returncode or not start:
        why = f"{' '.join(command)}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()[:300]}"
        print(why)
        return None, "" if NO_QUESTION.search(why) else why
    said, _ = json.JSONDecoder().raw_decode(done.stdout[start.start() :])
    if isinstance(said, dict):
        # Newer versions of amd-smi put the list into an object; rocm-smi answers {"card0": {…}}.
        said = said.get("gpu_data") or [
            {"gpu": name.removeprefix("card"), **of} for name, of in said.items() if name != "system"
        ]
    return {str(gpu.get("gpu")): gpu for gpu in said}, ""


def number(value):
    """35, "35.0" or {"value": 35, "unit": "C"}; None for "N/A". Raises ValueError for anything else."""
    if isinstance(value, dict) and "value" in value:
        value = value["value"]
    if isinstance(value, str) and NOT_KNOWN.fullmatch(value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
    if not 0 <= float(value) < math.inf:
        raise ValueError(value)
    return float(value)


def limited(name, gpus, answer, read, unit, limit, action):
    """Note the highest; the GPUs over the limit are named, and so are those whose answer is not understood."""
    answers, why = answer
    if answers is None:
        if why:
            found(name, None, reason=why, action="ask the tool on the node; if it says the same, reboot it")
        else:
            print(f"{name}: not shown by the tool")
        return
    known, odd = {}, [f"GPU {gpu}: no answer" for gpu in gpus if gpu not in answers]
    for gpu, of in answers.items():
        try:
            value = read(of)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            odd.append(f"GPU {gpu}: {error}")
            continue
        if value is not None:
            known[gpu] = value
    over = ", ".join(f"GPU {gpu}: {value:g}" for gpu, value in known.items() if value > limit)
    strange = f"not understood: {', '.join(odd)}" if odd else ""
    if over:
        found(name, False, max(known.values()), unit, "; ".join(filter(None, (f"more than {limit:g}: {over}", strange))), action)
    elif strange:
        found(name, None, reason=strange, action="ask the tool on the node; if it says the same, reboot it")
    elif known:
        found(name, True, max(known.values()), unit)
    else:
        print(f"{name}: not shown by the tool")


def hottest(readings, pattern):
    """Of the sensors with such names; None: of none of them anything is known."""
    if not isinstance(readings, dict):
        return number(readings)
    values = [number(value) for name, value in readings.items() if re.search(pattern, name, re.IGNORECASE)]
    if not values:
        raise ValueError(f"no such sensor among {', '.join(readings) or 'none'}")
    return max((value for value in values if value is not None), default=None)


def uncorrectable(of):
    counts = of["ecc"]
    return number(counts["total_uncorrectable_count"] if isinstance(counts, dict) else counts)


def pages(of):
    """How many are listed under retired, pending and un_res; a sentence stands where there are none."""
    listed = [of[key] for key in ("retired", "pending", "un_res") if key in of]
    if not listed:
        raise ValueError("neither retired nor pending pages")
    known = [value for value in listed if not (isinstance(value, str) and NOT_KNOWN.fullmatch(value.strip()))]
    for value in known:
        if not isinstance(value, list) and not (isinstance(value, str) and NO_PAGES.fullmatch(value.strip())):
            raise ValueError(value)
    return sum(len(value) for value in known if isinstance(value, list)) if known else None


def counted(gpus):
    wanted = os.environ.get("GPU_COUNT")
    right = len(gpus) == setting("GPU_COUNT", 0) if wanted else bool(gpus)
    reason = "" if right else f"{len(gpus)} of {wanted}" if wanted else "there is none"
    found("gpu-count", right, len(gpus), "GPUs", reason, "look for amdgpu in the kernel's log; reboot the node")


def linked(gpus, answer):
    """Of each GPU one word, like AMDSMI_XGMI_STATUS_NO_ERRORS; "N/A" where it has no such links."""
    answers, why = answer
    if answers is None:
        if why:
            found("gpu-xgmi", None, reason=why, action="ask amd-smi on the node")
        return
    states = {gpu: str(answers.get(gpu, {}).get("xgmi_err", "no answer")) for gpu in gpus}
    states = {gpu: state for gpu, state in states.items() if not NOT_KNOWN.fullmatch(state)}
    bad = {gpu: state for gpu, state in states.items() if not re.search(r"\bNO[_ ]ERRORS?\b|_NO_ERRORS?$", state)}
    broken = any("ERROR" in state for state in bad.values())
    reason = ", ".join(f"GPU {gpu}: {state}" for gpu, state in bad.items())
    if states:
        ok = True if not bad else False if broken else None
        found("gpu-xgmi", ok, len(bad), "GPUs", reason, "reset the GPUs; have the links looked at")


def by_amd_smi(smi, celsius, ecc, retired):
    gpus, _ = asked(smi, "list", "--json")
    if gpus is None:
        found("gpu-driver", False, reason="amd-smi does not answer", action="reboot the node")
        return
    counted(gpus)
    sensors = "edge|hotspot|junction|mem"
    heat, errors = asked(smi, "metric", "--temperature", "--json"), asked(smi, "metric", "--ecc", "--json")
    degrees = lambda of: hottest(of["temperature"], sensors)
    limited("gpu-temperature", gpus, heat, degrees, "C", celsius, "look at fans and heat sinks")
    again = "reset the GPU; if they come again, have it replaced"
    limited("gpu-ecc", gpus, errors, uncorrectable, "errors", ecc, again)
    bad = asked(smi, "bad-pages", "--json")
    limited("gpu-retired-pages", gpus, bad, pages, "pages", retired, "have the GPU looked at")
    linked(gpus, asked(smi, "metric", "--xgmi-err", "--json"))


def by_rocm_smi(smi, celsius):
    answer = asked(smi, "--showtemp", "--json")
    gpus, _ = answer
    if gpus is None:
        found("gpu-driver", False, reason="rocm-smi does not answer", action="reboot the node")
        return
    counted(gpus)
    degrees = lambda of: hottest(of, r"^Temperature")
    limited("gpu-temperature", gpus, answer, degrees, "C", celsius, "look at fans and heat sinks")


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

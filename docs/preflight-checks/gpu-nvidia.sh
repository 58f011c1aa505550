#!/bin/sh
# Are all NVIDIA GPUs there and well? What nvidia-smi says of their number, uncorrected ECC errors, retired pages or
# remapped rows, temperature, what slows their clocks, and their NVLinks. UNTESTED ON HARDWARE: written after NVIDIA's
# documentation and tried with a nvidia-smi that only prints.
#
# image:    any with glibc, sh and awk, like nvidia/cuda:12.6.3-base-ubuntu24.04; NVIDIA's toolkit puts nvidia-smi
#           into the pod. With an image that is not NVIDIA's set NVIDIA_DRIVER_CAPABILITIES=utility in the request's env
# hostpath: none
# resource: gpu: all of the node's, for a check sees only those it is given; cpu 200m, memory 256Mi
# env:   GPU_COUNT            how many there must be; empty: at least one
#        GPU_MAX_CELSIUS      85
#        GPU_MAX_ECC          0    uncorrected errors since the driver was loaded, of each GPU
#        GPU_MAX_RETIRED      0    pages retired for double-bit errors, or rows remapped for uncorrectable ones
#        GPU_MIN_NVLINKS      0    links that are up, of each GPU (18 on an H100 SXM, 12 on an A100 SXM)
#        GPU_MAX_NVLINK_ERRORS 0   replay, recovery and CRC errors of each link
NAME=gpu-nvidia

# The same in every check in sh: its settings, what it found, and its end.
rows="" bad="" unknown=""

# Note one line of the report: name, pass|fail|error, value (a number, or empty), unit, reason, action.
found() {
  ok=false action=$6
  case $2 in
    pass) ok=true action="" ;;
    fail) bad="$bad${bad:+; }$1: $5" ;;
    error) unknown="$unknown${unknown:+; }$1: $5" ;;
  esac
  row="{\"name\": \"$(escaped "$1")\", \"ok\": $ok, \"status\": \"$2\", \"value\": ${3:-null}, \"unit\": \"$4\""
  row="$row, \"reason\": \"$(escaped "$5")\", \"action\": \"$(escaped "$action")\"}"
  rows="$rows${rows:+,
}$row"
  echo "$1: $2${3:+, $3 $4}${5:+ ($5)}"
}

escaped() { printf '%s' "$1" | tr '\000-\037' ' ' | sed 's/\\/\\\\/g; s/"/\\"/g'; }

end() {
  printf '{"checks": [\n%s\n]}\n' "$rows" >"${OPSJOB_RESULT:-/dev/null}"
  if [ -n "$2" ]; then
    echo "$2"
    { echo "$2" | cut -c 1-1000 >>/dev/termination-log; } 2>/dev/null
  fi
  exit "$1"
}

untested() { end 2 "$NAME: $1"; }

judged() {
  [ -z "$bad" ] || end 1 "$NAME: $bad"
  [ -z "$unknown" ] || end 2 "$NAME: $unknown"
  end 0 ""
}

at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 <= b + 0) }'; }

# A variable of the request's env and what it is, or its default.
number() {
  case $2 in
    "" | . | *[!0-9.]* | *.*.*) untested "$1 must be a number, it is '$2'" ;;
  esac
}

max_celsius=${GPU_MAX_CELSIUS:-85} max_ecc=${GPU_MAX_ECC:-0} max_retired=${GPU_MAX_RETIRED:-0}
min_links=${GPU_MIN_NVLINKS:-0} max_link_errors=${GPU_MAX_NVLINK_ERRORS:-0}
number GPU_COUNT "${GPU_COUNT:-1}"
number GPU_MAX_CELSIUS "$max_celsius"
number GPU_MAX_ECC "$max_ecc"
number GPU_MAX_RETIRED "$max_retired"
number GPU_MIN_NVLINKS "$min_links"
number GPU_MAX_NVLINK_ERRORS "$max_link_errors"

command -v nvidia-smi >/dev/null || untested "there is no nvidia-smi: was resource.gpu asked for?"

# What nvidia-smi answers, a line for each GPU: "0, 35". Nothing where this driver does not know the field; what went
# wrong in the place of a value where it fails otherwise.
answered() {
  said=$(nvidia-smi "$@" --format=csv,noheader,nounits 2>/dev/null) && printf '%s\n' "$said" && return 0
  case $said in *"not a valid field"*) return 1 ;; esac
  printf '?, %s\n' "$(printf '%s' "${said:-nvidia-smi failed}" | tr '\n,' '  ')"
}

query() {
  said=$(answered "--query-gpu=index,$1") || return 1
  printf '%s\n' "${said:-?, no answer}"
}

# The same of GPUs that remap rows instead of retiring pages; they are named by their UUID there.
remapped() { answered "--query-remapped-rows=gpu_uuid,remapped_rows.$1"; }

# Which of these lines hold none of the words that are understood (a pattern), and whether each GPU has one ("": any
# number of lines). Only "[N/A]" and "[Not Supported]" are of GPUs that do not have it; "[Unknown Error]" is of a broken one.
odd() {
  printf '%s\n' "$3" | awk -F ', *' -v good="$1" -v gpus="$2" '
    NF { lines++ }
    NF && $2 !~ good && $2 != "[N/A]" && $2 != "[Not Supported]" {
      printf "%sGPU %s: %s", n++ ? ", " : "", $1, $2 == "" ? "no answer" : $2
    }
    END { if (gpus != "" && lines && lines != gpus) printf "%s%d answers of %d GPUs", n ? ", " : "", lines, gpus }'
}

# Note lines that are not understood; a GPU that asks for a reset says itself that it is not well.
note_odd() {
  case $2 in
    *"requires reset"* | *"is lost"*) found "$1" fail "" "" "$2" "reset the GPU or reboot the node" ;;
    *) found "$1" error "" "" "not understood: $2" "ask nvidia-smi on the node; if it says the same, reboot it" ;;
  esac
}

# Judge a field that has a limit: name, unit, limit, action, its lines, and how many there must be ("": any number).
limited() {
  strange=$(odd '^[0-9]+([.][0-9]+)?$' "$6" "$5")
  known=$(printf '%s\n' "$5" | awk -F ', *' '$2 ~ /^[0-9.]+$/')
  value="" over=""
  if [ -n "$known" ]; then
    value=$(printf '%s\n' "$known" | awk -F ', *' 'NR == 1 || $2 + 0 > max { max = $2 + 0 } END { print max }')
    over=$(printf '%s\n' "$known" | awk -F ', *' -v max="$3" \
      '$2 + 0 > max + 0 { printf "%sGPU %s: %s", n++ ? ", " : "", $1, $2 }')
  fi
  if [ -n "$over" ]; then
    found "$1" fail "$value" "$2" "more than $3: $over${strange:+; not understood: $strange}" "$4"
  elif [ -n "$strange" ]; then
    note_odd "$1" "$strange"
  elif [ -z "$known" ]; then
    echo "$1: not known of these GPUs"
  else
    found "$1" pass "$value" "$2" "" ""
  fi
}

# Judge answers of one word: name, action, the pattern of good and of bad ones, and lines of "GPU, answer, what it means".
worded() {
  strange=$(odd "$3|$4" "" "$5")
  said=$(printf '%s\n' "$5" | awk -F ', *' -v bad="$4" '$2 ~ bad { printf "%sGPU %s: %s", n++ ? ", " : "", $1, $3 }')
  if [ -n "$said" ]; then
    found "$1" fail "" "" "$said${strange:+; not understood: $strange}" "$2"
  elif [ -n "$strange" ]; then
    note_odd "$1" "$strange"
  elif ! printf '%s\n' "$5" | awk -F ', *' -v good="$3" '$2 ~ good { known = 1 } END { exit !known }'; then
    echo "$1: not known of these GPUs"
  else
    found "$1" pass "" "" "" ""
  fi
}

listed=$(nvidia-smi --query-gpu=index,name --format=csv,noheader 2>&1)
code=$?
if [ $code -ne 0 ]; then
  # The driver does not answer, or a GPU is lost: the very thing that is looked for.
  found gpu-driver fail "$code" "exit code" "nvidia-smi: $(printf '%s' "$listed" | tr '\n' ' ')" \
    "reboot the node; if it comes again, have the GPU looked at"
  judged
fi
count=$(printf '%s\n' "$listed" | grep -c '^[0-9]')
models=$(printf '%s\n' "$listed" | sed -n 's/^[0-9]*, *//p' | sort -u | tr '\n' ' ')
strange=$(printf '%s\n' "$listed" | grep -v '^[0-9][0-9]*, *[^[ ]' | tr '\n' ' ')
if [ "$count" -ne "${GPU_COUNT:-$count}" ] || [ "$count" -eq 0 ]; then
  found gpu-count fail "$count" GPUs "$count of ${GPU_COUNT:-at least 1}" \
    "look for Xid 79 in the kernel's log; reboot the node"
elif [ -n "$strange" ]; then
  note_odd gpu-count "${strange% }"
else
  found gpu-count pass "$count" GPUs "${models% }" ""
fi

limited gpu-temperature C "$max_celsius" "look at fans and heat sinks" "$(query temperature.gpu)" "$count"
limited gpu-ecc errors "$max_ecc" "reset the GPU; if they come again, have it replaced" \
  "$(query ecc.errors.uncorrected.volatile.total)" "$count"
limited gpu-retired-pages pages "$max_retired" "have the GPU looked at" \
  "$(query retired_pages.double_bit.count)" "$count"
limited gpu-remapped-rows rows "$max_retired" "have the GPU looked at" "$(remapped uncorrectable)" ""

# Any of these waits for a reset, or says that no spare memory is left.
worded gpu-memory-repair "reset the GPU; have it replaced where no spare is left" '^(No|0)$' '^(Yes|1)$' "$({
  query retired_pages.pending | sed 's/$/, pages to retire at the next reset/'
  remapped pending | sed 's/$/, rows to remap at the next reset/'
  remapped failure | sed 's/$/, no spare rows left/'
})"

# An idle clock and the power cap are no fault. Drivers before 535 call these clocks_throttle_reasons.
worded gpu-slowed "look at fans, heat sinks and power supply" '^Not Active$' '^Active$' "$(
  for cause in hw_thermal_slowdown hw_power_brake_slowdown sw_thermal_slowdown; do
    lines=$(query "clocks_event_reasons.$cause") || lines=$(query "clocks_throttle_reasons.$cause") || continue
    printf '%s\n' "$lines" | sed "s/\$/, $cause/"
  done
)"

# "GPU 0: NVIDIA H100 80GB HBM3 (UUID: …)", then a line of each link: "Link 0: 26.562 GB/s" or "Link 4: <inactive>".
# GPUs without links have the first line alone, or nvidia-smi says that it is not supported.
shown=$(nvidia-smi nvlink --status 2>&1) || case $shown in
  *[Nn]"ot "[Ss]"upported"* | *"all links are in"[Aa]"ctive"*) shown="" ;;
  *) found gpu-nvlinks error "" "" "nvidia-smi nvlink: $(printf '%s' "$shown" | tr '\n' ' ')" "ask nvidia-smi on the node" && shown="" ;;
esac
links=$(printf '%s\n' "$shown" | awk '
  /^GPU [0-9]+:/ { gpu = $2 + 0; up[gpu] += 0; down[gpu] += 0 }
  /Link [0-9]+:.*GB\/s/ { up[gpu]++; next }
  /Link [0-9]+:.*inactive/ { down[gpu]++; next }
  /Link [0-9]+:/ { odd[gpu]++ }
  END { for (gpu in up) if (up[gpu] + down[gpu] + odd[gpu]) printf "%d, %d, %d, %d\n", gpu, up[gpu], down[gpu], odd[gpu] }' \
  | sort -n)
if [ -n "$links" ]; then
  fewest=$(printf '%s\n' "$links" | awk -F ', ' 'NR == 1 || $2 + 0 < min { min = $2 + 0 } END { print min }')
  few=$(printf '%s\n' "$links" | awk -F ', ' -v min="$min_links" \
    '$2 + 0 < min + 0 { printf "%sGPU %s: %s up, %s inactive", n++ ? ", " : "", $1, $2, $3 }')
  strange=$(printf '%s\n' "$links" | awk -F ', ' '$4 > 0 { printf "%sGPU %s: %s links", n++ ? ", " : "", $1, $4 }')
  if [ -n "$few" ]; then
    found gpu-nvlinks fail "$fewest" links "fewer than $min_links: $few" "reset the GPUs; look at Fabric Manager"
  elif [ -n "$strange" ]; then
    note_odd gpu-nvlinks "$strange"
  else
    found gpu-nvlinks pass "$fewest" links "" ""
  fi
  limited gpu-nvlink-errors errors "$max_link_errors" "reset the GPUs; if they come again, have the link looked at" \
    "$({ nvidia-smi nvlink --errorcounters 2>&1 || echo 'Link ?: Errors: failed'; } | awk '
      /^GPU [0-9]+:/ { gpu = $2 + 0 }
      /Link [0-9?]+:.*Error/ { split($0, at, "Link "); sub(/:.*/, "", at[2]); print gpu " link " at[2] ", " $NF }')" ""
elif ! at_most "$min_links" 0; then
  found gpu-nvlinks fail 0 links "nvidia-smi shows no NVLink" "look at Fabric Manager"
fi
judged

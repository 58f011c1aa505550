#!/bin/sh
# Is there room on this node's disks? Free space and free inodes of each host directory that the job mounts.
#
# image:    any with sh, df and awk (busybox will do)
# hostpath: the directories to look at, /var/log for instance; what is free is so in their whole file system
# resource: cpu 50m, memory 32Mi
# env:   DISK_PATHS                what to look at; empty: every host directory that is mounted
#        DISK_MIN_FREE_GIB    10
#        DISK_MIN_FREE_PERCENT 5
#        DISK_MIN_FREE_INODES_PERCENT 5
NAME=disk

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

min_gib=${DISK_MIN_FREE_GIB:-10} min_percent=${DISK_MIN_FREE_PERCENT:-5} min_inodes=${DISK_MIN_FREE_INODES_PERCENT:-5}
number DISK_MIN_FREE_GIB "$min_gib"
number DISK_MIN_FREE_PERCENT "$min_percent"
number DISK_MIN_FREE_INODES_PERCENT "$min_inodes"

# What is mounted and belongs neither to the kernel, nor to the container, nor to the job itself.
mounted() {
  awk '$3 !~ /^(proc|sysfs|tmpfs|devtmpfs|devpts|mqueue|cgroup2?|securityfs|debugfs|tracefs|bpf|shm)$/ \
    && $2 !~ /^\/($|proc|sys|dev|run|etc|tmp|opsjob|argo|var\/run)($|\/)/ { print $2 }' /proc/self/mounts | sort -u
}

paths=${DISK_PATHS:-$(mounted)}
[ -n "$paths" ] || untested "no host directory is mounted: name some in the job's hostpath"
for path in $paths; do
  if [ ! -d "$path" ]; then
    found "disk $path" error "" "" "is not there: is it a hostpath of the job?" ""
    continue
  fi
  space=$(df -P -k "$path" 2>/dev/null | awk 'END { if ($2 > 0) printf "%.2f %.1f", $4 / 1048576, 100 * $4 / $2 }')
  if [ -z "$space" ]; then
    found "disk $path" error "" "" "its free space could not be read" ""
    continue
  fi
  gib=${space% *} percent=${space#* }
  if ! at_most "$min_gib" "$gib"; then
    found "disk $path" fail "$gib" GiB "$gib GiB free, less than $min_gib GiB" "clean up $path"
  elif ! at_most "$min_percent" "$percent"; then
    found "disk $path" fail "$gib" GiB "$percent % free, less than $min_percent %" "clean up $path"
  else
    found "disk $path" pass "$gib" GiB "$percent % free" ""
  fi
  # Some file systems make inodes as they need them, and count none.
  inodes=$(df -P -i "$path" 2>/dev/null | awk 'END { if ($2 > 0) printf "%.1f", 100 * $4 / $2 }')
  if [ -z "$inodes" ]; then
    echo "inodes $path: not counted by this file system"
  elif at_most "$min_inodes" "$inodes"; then
    found "inodes $path" pass "$inodes" % "" ""
  else
    found "inodes $path" fail "$inodes" % "$inodes % free, less than $min_inodes %" "remove small files below $path"
  fi
done
judged

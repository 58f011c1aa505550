#!/bin/sh
# Makes one check of several, for one entryPoint: sh combine.sh disk.sh clock.sh >check.sh. Runs where you are, not in a
# job.
#
# They run one after another. Their lines stand in one report, and the node is what the worst of them says: unhealthy if
# one is, else not tested if one could not, else healthy. image, hostpath and resource must do for all of them.
cat <<'HEAD'
#!/bin/sh
all=${OPSJOB_RESULT:-/dev/null} one=$(mktemp) rows="" worst=0
export OPSJOB_RESULT="$one"
after() {
  # Each wrote a line for each thing it looked at, between a first and a last line.
  more=$(sed '1d;$d' "$one")
  rows="$rows${rows:+${more:+,
}}$more"
  : >"$one"
  # After each, so that the job's timeout costs only what had not been looked at.
  printf '{"checks": [\n%s\n]}\n' "$rows" >"$all"
  case $2 in
    0) ;;
    1) worst=1 ;;
    *) [ $worst -ne 0 ] || worst=2 ;;
  esac
  echo "$1: exit code $2"
}
HEAD
for check in "$@"; do
  printf '(\n'
  cat "$check" || exit 1
  printf '\n)\nafter %s $?\n' "$(basename "$check")"
done
cat <<'TAIL'
rm -f "$one"
exit $worst
TAIL

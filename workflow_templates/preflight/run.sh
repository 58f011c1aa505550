# Runs the check with what it may know of its job, and hands on what it found; nothing here comes from the request.
export OPSJOB_RANK=0 OPSJOB_NODES=0 OPSJOB_RESULT=/opsjob/result.json OPSJOB_PEERS=/etc/opsjob/peers
while read -r name; do
  if [ "$name" = "$NODE_NAME" ]; then OPSJOB_RANK=$OPSJOB_NODES; fi
  OPSJOB_NODES=$((OPSJOB_NODES + 1))
done < /etc/opsjob/nodes
# Its #! line is honoured where the image has that program; the file itself cannot be executed.
first=
IFS= read -r first < /etc/opsjob/entrypoint
set -f
case $first in '#!'*) set -- ${first#??} ;; *) set -- ;; esac
set +f
case $1 in */env) shift; if [ "$1" = -S ]; then shift; fi ;; esac
if [ -z "$1" ]; then set -- /bin/sh; fi
if ! command -v "$1" > /dev/null 2>&1; then
  echo "opsjob: this image has no $1, which the first line of entryPoint names: /bin/sh runs it"
  set -- /bin/sh
fi
# At the job's timeout or a stop the kubelet tells only this shell, the first process, which tells all others.
stopped=
if [ $$ -eq 1 ]; then others=-1; else others=0; fi
trap 'stopped=yes; if [ $others = 0 ]; then kill -TERM $check; else kill -TERM -1; fi 2> /dev/null' TERM
"$@" /etc/opsjob/entrypoint &
check=$!
# A stop may have come before there was a check to tell, or before its number was known.
if [ -n "$stopped" ]; then kill -TERM $check 2> /dev/null; fi
wait $check
code=$?
# A wait that TERM interrupts is not the check's end.
while kill -0 $check 2> /dev/null; do
  wait $check
  code=$?
done
if [ -n "$stopped" ]; then code=143; fi
if [ -f "$OPSJOB_RESULT" ]; then
  LC_ALL=C
  echo
  # In lines of about 1,000 bytes, so that the end of a log is one of bytes and not of lines.
  left=100000 lines=
  while { IFS= read -r line || [ -n "$line" ]; }; do
    left=$((left - ${#line} - 1))
    if [ $left -lt 0 ]; then break; fi
    lines="$lines$line "
    if [ ${#lines} -gt 1000 ]; then
      printf 'opsjob-result: %s\n' "$lines"
      lines=
    fi
  done < "$OPSJOB_RESULT"
  if [ -n "$lines" ]; then printf 'opsjob-result: %s\n' "$lines"; fi
  if [ $left -lt 0 ]; then echo opsjob-result-cut; fi
fi
case $code in
  0 | 143) reason="" ;;
  1) reason="found unhealthy" ;;
  2) reason="could not be tested" ;;
  126 | 127) reason="could not be tested: a command of the check is not there or cannot be run (exit code $code)" ;;
  *) reason="could not be tested: the check ended with exit code $code" ;;
esac
if [ -n "$reason" ] && [ ! -s /dev/termination-log ]; then echo "$reason" > /dev/termination-log; fi
# By this the report knows that it has read all: a log may end behind the container.
printf '\nopsjob-end\n'
exit $code

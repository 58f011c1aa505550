# Runs the check with what it may know of its job, and hands on what it found; nothing here comes from the request.
export OPSJOB_RANK=0 OPSJOB_NODES=0 OPSJOB_RESULT=/opsjob/result.json OPSJOB_PEERS=/etc/opsjob/peers
while read -r name; do
  if [ "$name" = "$NODE_NAME" ]; then OPSJOB_RANK=$OPSJOB_NODES; fi
  OPSJOB_NODES=$((OPSJOB_NODES + 1))
done < /etc/opsjob/nodes
# At the job's timeout or a stop Argo's executor has all of us hear it: this shell goes on when the check has ended.
stopped=
trap 'stopped=yes' TERM
/bin/sh /etc/opsjob/entrypoint
code=$?
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
# These two mean to Argo that nothing was begun.
if [ $code -eq 75 ] || [ $code -eq 76 ]; then code=2; fi
# By this the report knows that it has read all: a log may end behind the container.
printf '\nopsjob-end\n'
exit $code

# Runs the check with what it may know of its job, and hands on what it found; nothing here comes from the request.
export OPSJOB_RANK=0 OPSJOB_NODES=0 OPSJOB_RESULT=/opsjob/result.json OPSJOB_PEERS=/etc/opsjob/peers
while read -r name; do
  if [ "$name" = "$NODE_NAME" ]; then OPSJOB_RANK=$OPSJOB_NODES; fi
  OPSJOB_NODES=$((OPSJOB_NODES + 1))
done < /etc/opsjob/nodes
/bin/sh /etc/opsjob/entrypoint
code=$?
if [ -f "$OPSJOB_RESULT" ]; then
  echo
  left=400
  while [ $left -gt 0 ] && { IFS= read -r line || [ -n "$line" ]; }; do
    printf 'opsjob-result: %s\n' "$line"
    left=$((left - 1))
  done < "$OPSJOB_RESULT"
fi
case $code in
  1) reason="found unhealthy" ;;
  2) reason="could not be tested" ;;
  75 | 76) reason="the check ended with exit code $code" ;;
  *) reason="" ;;
esac
if [ -n "$reason" ] && [ ! -s /dev/termination-log ]; then echo "$reason" > /dev/termination-log; fi
# These two mean to Argo that nothing was begun.
if [ $code -eq 75 ] || [ $code -eq 76 ]; then code=1; fi
exit $code

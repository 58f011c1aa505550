"""Reasons that the service writes into the status of a pod which it marks Failed."""

#: Its node did not report for too long, or is gone; the pod may run on.
NODE_LOST = "NodeLost"
#: No node took it in time.
NEVER_STARTED = "NeverStarted"

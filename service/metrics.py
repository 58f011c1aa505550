"""What each process measures of itself, for Prometheus. docs/metrics.md says what each means and how to ask for it.

Every replica has its own, from zero at its start: whoever asks sums them. What is of the whole cluster, the leader
reads and shows (service.jobs.leader_metrics). A label has few values, whatever callers send: no job, user or node.
"""

from prometheus_client import Counter, Gauge, Histogram

#: In seconds; what is asked of the store, or for a turn, takes milliseconds where all is well.
_QUICK = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PATIENT = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

HTTP_SECONDS = Histogram(
    "opsjobs_http_request_seconds",
    "Time until a response begins, by route and status",
    ["method", "route", "status"],
    buckets=_QUICK,
)
AUDITED_CALLS = Counter(
    "opsjobs_audited_calls", "Calls that would change something, by what came of them", ["action", "outcome"]
)
NOTIFICATIONS = Counter(
    "opsjobs_notifications",
    "Notifications by receiver: delivered, failed (a try), dropped (after a day, or too many)",
    ["receiver", "outcome"],
)
FOLLOWERS = Gauge("opsjobs_followers", "Streams that are open: callers that follow a job or its output")

LEADER = Gauge("opsjobs_leader", "1 in the replica that leads: it reconciles and keeps house")
LAG = Histogram(
    "opsjobs_reconciler_lag_seconds",
    "Time from a change of a Workflow until its record says so",
    buckets=_PATIENT,
)
RECONCILER_ERRORS = Counter(
    "opsjobs_reconciler_errors", "Workflows that could not be reconciled and are read again", ["kind"]
)
WATCH_RESTARTS = Counter("opsjobs_watch_restarts", "Watches of Workflows that broke off, by why", ["reason"])

STORE_SECONDS = Histogram("opsjobs_store_seconds", "Time of a transaction in the store", ["operation"], buckets=_QUICK)
STORE_ERRORS = Counter("opsjobs_store_errors", "Transactions for which the store did not answer", ["operation"])
KUBERNETES_REQUESTS = Counter(
    "opsjobs_kubernetes_requests",
    "Requests to the Kubernetes API by HTTP verb and status; code none: no answer",
    ["verb", "code"],
)

# An alert on what never happened before needs a zero to grow from.
for _operation in ("read", "write"):
    STORE_ERRORS.labels(_operation)
for _kind in ("unavailable", "unexpected"):
    RECONCILER_ERRORS.labels(_kind)
for _reason in ("expired", "interrupted"):
    WATCH_RESTARTS.labels(_reason)

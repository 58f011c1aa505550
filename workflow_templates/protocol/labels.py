"""Labels, annotations and finalizers, ours and those of Argo's that we read: each key stands here once."""

#: On everything that belongs to a job: its Workflow, pods, ConfigMap, Secret and node locks.
JOB_ID = "opsjob.io/job-id"
JOB_TYPE = "opsjob.io/type"
#: On a pod: which of its job's steps it is (STEP_NODE, …).
STEP = "opsjob.io/step"
#: The step that does a job's work on one node.
STEP_NODE = "node"
#: The step that reads the logs of one node for dumplog.
STEP_NODE_LOG = "node-log"
#: On a pod: the node that it is for.
NODE = "opsjob.io/node"
#: On no pod: a podGC strategy that selects it collects none.
COLLECT = "opsjob.io/collect"
#: On the pod of a check: which runner of its job looks after it.
RUNNER = "opsjob.io/runner"

#: The finalizer that keeps a Workflow until its last state is recorded.
RECORD_FINALIZER = "opsjob.io/record"
#: On a Workflow: the user who stopped it.
STOPPED_BY = "opsjob.io/stopped-by"
#: On a Workflow: the service ended it because its timeout had passed, which Argo does not do while it is suspended.
TIMED_OUT = "opsjob.io/timed-out"
#: On a Workflow: who paused it, and why; empty or missing: it is not paused.
PAUSED = "opsjob.io/paused"
#: On a Workflow: up to which phase (from 1) a person has ended the soak and the gate; "0": none. Argo's gates read it.
ADVANCED = "opsjob.io/advanced"
#: On a Workflow: how many failed nodes a person tolerated by resuming; they count no more against the limit.
TOLERATED = "opsjob.io/tolerated"
#: On a Workflow: when the service last changed it for nothing but that Argo looks at it.
REMINDED = "opsjob.io/reminded"

#: On a node: the job that cordoned it, and whether it was cordoned before ("true" or "false").
CORDONED_BY = "opsjob.io/cordoned-by"
CORDONED_BEFORE = "opsjob.io/cordoned-before"
#: On a node that a job left cordoned on purpose: which job, and why. A person uncordons it.
LEFT_CORDONED = "opsjob.io/left-cordoned"
#: On a node lock: that a reboot command was run on the node, and when.
TOLD_TO_REBOOT = "opsjob.io/told-to-reboot"
#: On a node lock: scripts were begun on the host, by which job and in which boot.
WORK_BEGUN = "opsjob.io/work-begun"
#: On a node lock that outlives its job: the job, which is over. Another job takes over no lock that does not say so.
JOB_OVER = "opsjob.io/job-over"
#: On a node lock: how the node was before the job cordoned it, and when that was.
CORDON_NOTE = "opsjob.io/cordon"
#: On a node lock: the node waits for its workloads, cordoned.
WAITS_CORDONED = "opsjob.io/waits-cordoned"

#: On a node that failed its check: the preflight job that put the mark there.
MARKED_BY = "opsjob.io/marked-by"

#: On the Lease by which a job says that it waits for several nodes, and their names as JSON.
WAITING = "opsjob.io/waiting"
WAITS_FOR = "opsjob.io/waits-for"

#: On a job's ledger: a letter for each planned node (protocol/ledger.py).
LEDGER = "opsjob.io/ledger"
#: On a node lock: what the job is doing on the node, as a sentence.
STAGE = "opsjob.io/stage"

#: The label key of a workspace on nodes and namespaces, where the chart says no other.
WORKSPACE = "opsjob.io/workspace"

#: Argo's own.
ARGO_WORKFLOW = "workflows.argoproj.io/workflow"
ARGO_COMPLETED = "workflows.argoproj.io/completed"
ARGO_NODE_NAME = "workflows.argoproj.io/node-name"
ARGO_NODE_ID = "workflows.argoproj.io/node-id"
ARGO_OUTPUTS_COMPLETED = "workflows.argoproj.io/report-outputs-completed"
ARGO_TEMPLATE = "workflows.argoproj.io/workflow-template"
ARGO_DESCRIPTION = "workflows.argoproj.io/description"
#: Followed by a container's name: the command by which Argo's controller signals that container.
ARGO_KILL_COMMAND = "workflows.argoproj.io/kill-cmd-"


def pods_of(job: str, step: str) -> str:
    """The label selector of a job's pods that do this step."""
    return f"{ARGO_WORKFLOW}={job},{STEP}={step}"

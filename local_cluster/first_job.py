"""The first job through what is up, on our own cluster or on the user's."""

from local_cluster import demo
from local_cluster.handover import Handover
from local_cluster.kubectl import Kubectl
from local_cluster.node_container import Node
from local_cluster.stages import StageError, Stages


def show(stages: Stages, kubectl: Kubectl, handover: Handover, nodes: list[Node]) -> None:
    """Run it before the user's eyes; `nodes` are ours, to read back from. Raises StageError where it fails."""
    with stages.stage("A token and an addon template") as stage:
        bearer = demo.prepare(kubectl, stage)
        targets = demo.open_nodes(kubectl, stage)
    job = demo.run(handover, bearer, targets)
    read_back = {node.name: node.execute("cat", demo.WRITTEN)[1].strip() for node in nodes if node.name in targets}
    demo.print_job(job, read_back)
    demo.how_to_go_on(handover, job, ours=bool(nodes))
    if job["phase"] != "Succeeded":
        raise StageError(f"the first job ended {job['phase']}")

"""Every metric of ours that the service can show: its name as it is asked for, its type and labels."""

from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from local_cluster.pki import Authority
from service import metrics
from service.expiry import Expiry
from service.jobs.leader_metrics import LeaderMetrics
from service.jobs.ports import Records
from service.jobs.reconcile import Reconciler
from tests.unit.jobs.cluster import InMemory, running, until

Families = dict[str, tuple[str, frozenset[str]]]


def of_processes() -> Families:
    found = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    return {named(one._name, str(one._type)): (str(one._type), frozenset(one._labelnames)) for one in found}


async def of_the_cluster(records: Records) -> Families:
    cluster = InMemory()
    leader = LeaderMetrics(records, cluster.port, "prod")

    async def read() -> bool:
        return len(list(leader.collect())) > 5

    with leader.leading(Reconciler(records, cluster.port, "prod")):
        async with running(leader.run()):
            await until(read, "nothing is read")
        return {
            named(family.name, family.type): (family.type, frozenset(family.samples[0].labels) - {"le"})
            for family in leader.collect()
        }


def of_files(folder: Path) -> Families:
    (folder / "tls.crt").write_bytes(Authority.new().identity.certificate)
    (folder / "token").write_text("e30.eyJleHAiOjF9.")
    return {family.name: (family.type, frozenset()) for family in Expiry(folder, folder / "token").collect()}


def named(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name

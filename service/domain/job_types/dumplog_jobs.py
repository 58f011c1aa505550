from types import MappingProxyType

from service.domain.job_types.traits import OutputFile, Traits


class Dumplog(Traits):
    works_on_nodes = False
    reads = "pods/log"
    subject_inputs = ("workload",)
    #: Anyone who has it can read the archive.
    guarded_output = "endpoint"
    needed_value = "objectStore"
    files = MappingProxyType({"archive": OutputFile("logs.tar.gz", "application/gzip", "log", ("", ""))})


TRAITS = Dumplog()

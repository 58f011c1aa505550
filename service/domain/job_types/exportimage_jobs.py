from service.domain.job_types.traits import Traits


class Exportimage(Traits):
    works_on_nodes = False
    reads = "pods"
    subject_inputs = ("workload",)


TRAITS = Exportimage()

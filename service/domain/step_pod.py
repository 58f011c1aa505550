"""The pod of one of a job's steps, as far as its output is concerned."""

from dataclasses import dataclass

#: The step of pods whose Workflow's exit handler they are of.
CLEAN_UP = "clean-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPod:
    name: str
    #: Which step of the job it is, by the name that Argo shows.
    step: str
    #: From 1.
    attempt: int
    #: The nodes that it works on; none: it is for the whole job. Several: each of its lines begins with one.
    nodes: tuple[str, ...] = ()
    #: In seconds since 1970.
    created: int
    #: Its container main has begun, and so may have written something.
    begun: bool = False
    #: It writes no more.
    ended: bool = False

    @property
    def shared(self) -> bool:
        return len(self.nodes) > 1


@dataclass(frozen=True, slots=True)
class StepPods:
    """Those that there are, in the order in which they were made."""

    pods: tuple[StepPod, ...]
    #: The job makes no more of them: its Workflow has completed, or is gone.
    over: bool

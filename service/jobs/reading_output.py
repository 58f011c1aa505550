"""Reading what a job's steps write, from any place in it on, as it is written or as it lies there."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from service.domain.job import Job
from service.domain.job_output import Missing, OutputGap, OutputLine, Sink, Wanted
from service.domain.log_lines import Gap, Line, Position
from service.domain.log_position import LogPosition, TrackPosition, pod_key
from service.domain.masked_lines import Masking
from service.domain.step_pod import StepPod, StepPods
from service.jobs.pod_reading import PodReading
from service.jobs.ports import StepOutput, UnavailableError
from workflow_templates.protocol import argo_message, check_outcome

#: Between two looks at a job's pods.
LOOK_SECONDS = 2.0
#: Nodes that are followed at a time where none is named (contract).
MOST_NODES = 50
#: Tracks that an id names; of those that have ended, the oldest are left out.
_MOST_TRACKS = 300
#: The track of the steps that are of no one node.
_WHOLE_JOB = "job"
#: One thread for all readers: a caller whose job has very many values takes turns with others like it, and no one else.
_MASKING = ThreadPoolExecutor(1, "masking")


@dataclass(slots=True)
class _Track:
    """Steps that run one after another: of a node, of the nodes of which one step runs the checks, or of the job."""

    name: str
    pods: list[StepPod] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    @property
    def is_at_work(self) -> bool:
        return any(not pod.ended for pod in self.pods)

    @property
    def is_read(self) -> bool:
        return self.task is not None and not self.task.done()


@dataclass(slots=True, kw_only=True)
class OutputReader:
    """One reading of one job's output. `budget` is entered for each pod that is read."""

    source: StepOutput
    job: Job
    wanted: Wanted
    masking: Masking
    #: Where the reader was before; None: at the beginning.
    position: LogPosition | None
    budget: Callable[[], AbstractContextManager[None]]
    #: Seconds in which lines are gathered before they are handed on.
    gather: Callable[[], float] = lambda: 0.0
    _resumed: dict[str, TrackPosition] = field(init=False)
    _sent: LogPosition = field(init=False)
    _indexes: dict[str, str] = field(init=False)
    _tracks: dict[str, _Track] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)
    #: The job goes on; else what it left is read once.
    _follows: bool = False
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._resumed = dict(self.position.tracks) if self.position else {}
        self._sent = self.position or LogPosition(int(self.source.now().timestamp()))
        self._indexes = {name: str(index) for index, name in enumerate(self.job.plan.names)}

    async def run(self, sink: Sink) -> None:
        """Hand everything over, in order for each node, until there is no more.

        Raises:
            UnavailableError: Kubernetes is away.
        """
        found = await self.source.step_pods(self.job.job_id)
        self._follows = self.wanted.follow and not found.over
        if self._follows:
            await self._follow(sink)
            return
        self._note(found)
        for track in list(self._tracks.values()):
            await self._read(track, sink, follow=False)

    async def _follow(self, sink: Sink) -> None:
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                found = await self.source.step_pods(self.job.job_id)
                self._note(found)
                for track in self._tracks.values():
                    if not track.is_read and len(tasks) <= MOST_NODES and self._next(track):
                        track.task = asyncio.create_task(self._read(track, sink, follow=True))
                        tasks.add(track.task)
                if found.over and not tasks:
                    return
                ended, tasks = await _within(tasks, LOOK_SECONDS)
                for task in ended:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _note(self, found: StepPods) -> None:
        """Put the pods into their tracks, those that are wanted."""
        by_track: dict[str, list[StepPod]] = {}
        for pod in found.pods:
            if self._is_wanted(pod):
                by_track.setdefault(self._track_of(pod), []).append(pod)
        for name, pods in by_track.items():
            if name in self._tracks:
                self._tracks[name].pods = pods
            elif self._begins(name, pods):
                self._tracks[name] = _Track(name, pods)
                self._pass_over(self._tracks[name])

    def _is_wanted(self, pod: StepPod) -> bool:
        wanted = self.wanted
        return (not wanted.node or wanted.node in pod.nodes) and (not wanted.step or wanted.step == pod.step)

    def _track_of(self, pod: StepPod) -> str:
        if not pod.nodes:
            return _WHOLE_JOB
        index = self._indexes.get(pod.nodes[0]) or f"x{pod_key(pod.nodes[0])}"
        return f"g{index}" if pod.shared else index

    def _begins(self, name: str, pods: Sequence[StepPod]) -> bool:
        """Whether a track is of interest: who follows a job without naming a node sees the nodes in work (contract)."""
        if not self.wanted.follow or self.wanted.node or name == _WHOLE_JOB or name in self._resumed:
            return True
        if self.position is None and not self._follows:
            return True
        return any(not pod.ended or pod.created >= self._sent.begun for pod in pods)

    def _pass_over(self, track: _Track) -> None:
        """What was sent before is not sent again."""
        if before := self._resumed.get(track.name):
            keys = [pod_key(pod.name) for pod in track.pods]
            if before.pod in keys:
                self._done |= {pod.name for pod in track.pods[: keys.index(before.pod)]}
            else:
                last_second = before.line.at // 10**9
                self._done |= {pod.name for pod in track.pods if pod.created < last_second}

    def _next(self, track: _Track) -> StepPod | None:
        """The pod whose output comes next, as soon as it may have some."""
        for pod in track.pods:
            if pod.name in self._done:
                continue
            if pod.begun:
                return pod
            if not pod.ended:
                return None
            self._done.add(pod.name)
        return None

    async def _read(self, track: _Track, sink: Sink, *, follow: bool) -> None:
        """All pods of a track that have something to read."""
        before = self._resumed.pop(track.name, None)
        if before and before.pod not in {pod_key(pod.name) for pod in track.pods}:
            await sink([OutputGap(_node(track.pods), None, before.line.at, 0, Missing.POD_GONE)])

        async def hand_on(pod: StepPod, lines: Iterable[Line | Gap]) -> Position | None:
            return await self._hand_on(track, pod, lines, sink)

        async def missing(pod: StepPod, since: int, reason: Missing) -> None:
            await sink([OutputGap(_node([pod]), pod, since, 0, reason)])

        async def look(pod: StepPod) -> StepPod:
            return await self._look(track, pod)

        while pod := self._next(track):
            with self.budget():
                await PodReading(
                    source=self.source,
                    pod=pod,
                    last=before.line if before and before.pod == pod_key(pod.name) else None,
                    since=self.wanted.since,
                    tail=self.wanted.tail,
                    is_shown=lambda pod, line: self._shown(pod, line) is not None,
                    hand_on=hand_on,
                    missing=missing,
                    look=look,
                    gather=self.gather,
                ).run(follow=follow)
            self._done.add(pod.name)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self._sent.tracks) > _MOST_TRACKS:
            ended = (name for name in self._sent.tracks if not (name in self._tracks and self._tracks[name].is_at_work))
            name = next(ended, None)
            if name is None:
                return
            self._sent.forget(name, self._tracks[name].pods[-1].created if name in self._tracks else 0)

    async def _look(self, track: _Track, pod: StepPod) -> StepPod:
        """The pod as it is now, or was when it was last seen."""
        try:
            self._note(await self.source.step_pods(self.job.job_id))
        except UnavailableError:
            return pod
        return next((other for other in track.pods if other.name == pod.name), pod)

    async def _hand_on(self, track: _Track, pod: StepPod, lines: Iterable[Line | Gap], sink: Sink) -> Position | None:
        """Lines of one pod at a time: an id says of all pods how far they are."""
        async with self._one_at_a_time:
            found: list[OutputLine | OutputGap] = []
            last: Position | None = None
            seen = [(line, self._shown(pod, line) if isinstance(line, Line) else None) for line in lines]
            masked = await self._masked([(line, shown[1]) for line, shown in seen if isinstance(line, Line) and shown])
            for line, shown in seen:
                if isinstance(line, Gap):
                    found.append(OutputGap(_node([pod]), pod, line.since, line.until, Missing.ROTATED))
                    continue
                last = Position(line.at, line.number)
                if shown:
                    event_id = self._sent.id_after(track.name, pod_key(pod.name), last)
                    found.append(OutputLine(shown[0], pod, line, next(masked), event_id))
            if found:
                await sink(found)
            return last

    def _shown(self, pod: StepPod, line: Line) -> tuple[str, bytes] | None:
        """The node that a line is about, and its text, which is to be masked; None: it is not to be seen."""
        node, text = _node([pod]), line.text
        if pod.shared:
            first, colon, rest = text.partition(b": ")
            name = first.decode(errors="replace")
            node, text = (name, rest) if colon and name in pod.nodes else ("", text)
        if line.at < self.wanted.since or (self.wanted.node and node != self.wanted.node):
            return None
        if text.startswith(check_outcome.MARKERS) or argo_message.is_executors(line.text):
            return None
        return node, text

    async def _masked(self, lines: Sequence[tuple[Line, bytes]]) -> Iterator[bytes]:
        """The texts without the values of the job's Secret, in a thread where that takes long."""

        def masked() -> Iterator[bytes]:
            return iter([self.masking.line(text, begins=line.begins, ends=line.ends) for line, text in lines])

        if self.masking.is_quick(sum(len(text) for _, text in lines)):
            return masked()
        return await asyncio.get_running_loop().run_in_executor(_MASKING, masked)


def _node(pods: Sequence[StepPod]) -> str:
    """The one node that these are about."""
    return pods[0].nodes[0] if pods and len(pods[0].nodes) == 1 else ""


async def _within(
    tasks: set[asyncio.Task[None]], seconds: float
) -> tuple[set[asyncio.Task[None]], set[asyncio.Task[None]]]:
    """Those that have ended and the others, as soon as one ends, and after so long at the latest."""
    if not tasks:
        await asyncio.sleep(seconds)
        return set(), set()
    return await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

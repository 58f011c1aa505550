"""Where a caller may do what: of 100 workspaces and five types Kubernetes is asked 505 questions."""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import partial

from service.domain.cluster_objects import Caller
from service.jobs.ports import UnavailableError
from service.kube.cache import BriefCache

#: A job type, and the namespace; None: everywhere.
Grant = tuple[str, str | None]
#: Whether a caller may do a verb with a type in a namespace.
Ask = Callable[[Caller, str, str, str | None], Awaitable[bool]]

#: Callers whose answers are kept, who are remembered to have had a right, and who may wait for their turn.
_GRANTS = 500
#: Questions under way at one time for one caller, and for all who had a right before.
_AT_ONCE = 16
#: Of the others, who may be any number, how many are asked about namespaces at one time, each with so many questions.
#: With all at once each would wait for all.
_TURNS = 2
_OTHERS_AT_ONCE = 4
#: Seconds that a request waits for its caller's turn; the place in the queue stays the caller's.
_PATIENCE = 10.0
#: The same where no request waits for the answers, only for the processor that they take from other requests.
_RENEWED_AT_ONCE = 2
#: So they are begun to be renewed earlier: for 100 workspaces that is 500 questions.
_RIPE = 0.5


@dataclass(frozen=True, slots=True)
class Question:
    """What one caller may do where; equal to another of the same caller."""

    who: Hashable
    caller: Caller = field(compare=False)
    verb: str
    types: tuple[str, ...]
    places: tuple[str, ...]


class GrantedRights:
    """All answers about a caller are kept as one: they would crowd out other callers'."""

    def __init__(self, ask: Ask, seconds: float, patience: float = _PATIENCE) -> None:
        self._ask = ask
        self._patience = patience
        self._kept: BriefCache[frozenset[Grant]] = BriefCache(seconds, _GRANTS, _RIPE)
        self._had_rights: OrderedDict[Hashable, None] = OrderedDict()
        self._known = asyncio.Semaphore(_AT_ONCE)
        # Hundreds of callers without any right, each with hundreds of questions, do not hold up those who have one.
        self._others = asyncio.Semaphore(_OTHERS_AT_ONCE)
        self._turns = asyncio.Semaphore(_TURNS)
        self._waiting: set[Question] = set()

    async def of(self, question: Question) -> frozenset[Grant]:
        """The types and places in which the caller may do it; a type that is granted everywhere stands there once.

        Raises:
            UnavailableError: the turn of a caller who had no right yet does not come for too long. Their place in the
                queue stays theirs, and who asks again finds the answer.
        """
        asking, renewing = partial(self._ask_in_turn, question), partial(self._renew, question)
        answer = asyncio.create_task(self._kept.get(question, asking, renewing))
        try:
            await asyncio.wait([answer], timeout=self._patience)
            if question in self._waiting:
                raise _too_many()
            return await answer
        finally:
            answer.cancel()

    async def _ask_in_turn(self, question: Question) -> frozenset[Grant]:
        if question.who in self._had_rights:
            return await self._ask_all(question, self._known)
        everywhere = await self._everywhere(question, self._others)
        if everywhere or not question.places:
            return await self._with_places(question, everywhere, self._known)
        if len(self._waiting) >= _GRANTS:
            raise _too_many()
        self._waiting.add(question)
        self._kept.postpone(question)
        try:
            async with self._turns:
                self._waiting.discard(question)
                self._kept.begin(question)
                return await self._with_places(question, everywhere, asyncio.Semaphore(_OTHERS_AT_ONCE))
        finally:
            self._waiting.discard(question)

    async def _renew(self, question: Question) -> frozenset[Grant]:
        """Of who has no right only where no other has, or waits for, a turn: there may be any number of these."""
        lane = asyncio.Semaphore(_RENEWED_AT_ONCE)
        if question.who in self._had_rights:
            return await self._ask_all(question, lane)
        if self._waiting or self._turns.locked():
            raise _too_many()
        async with self._turns:
            return await self._ask_all(question, lane)

    async def _ask_all(self, question: Question, lane: asyncio.Semaphore) -> frozenset[Grant]:
        return await self._with_places(question, await self._everywhere(question, lane), lane)

    async def _everywhere(self, question: Question, lane: asyncio.Semaphore) -> set[Grant]:
        return await self._allowed(question, ((kind, None) for kind in question.types), lane)

    async def _with_places(
        self, question: Question, everywhere: set[Grant], lane: asyncio.Semaphore
    ) -> frozenset[Grant]:
        rest = [kind for kind in question.types if (kind, None) not in everywhere]
        granted = everywhere | await self._allowed(question, itertools.product(rest, question.places), lane)
        if granted:
            self._had_rights[question.who] = None
            self._had_rights.move_to_end(question.who)
            if len(self._had_rights) > _GRANTS:
                self._had_rights.popitem(last=False)
        return frozenset(granted)

    async def _allowed(self, question: Question, asked: Iterable[Grant], lane: asyncio.Semaphore) -> set[Grant]:
        pairs = tuple(asked)

        async def allowed(kind: str, place: str | None) -> bool:
            async with lane:
                return await self._ask(question.caller, question.verb, kind, place)

        answers = await asyncio.gather(*(allowed(*pair) for pair in pairs))
        return set(itertools.compress(pairs, answers))


def _too_many() -> UnavailableError:
    return UnavailableError("Kubernetes is asked about the rights of too many callers at once")

"""All nodes as they are, while callers ask for them."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from service.domain.cluster_objects import Node
from service.kube import nodes
from service.kube.cache import BriefCache
from service.kube.client import Api, Object
from service.kube.collection_watch import CollectionWatch

#: How old what is known of all nodes may be while they are not watched: at first, and where the watch broke off.
SECONDS = 10.0
#: The watch ends once no caller has asked for so long.
UNASKED_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """A node is so now; or it is gone; or, without a name, all that there are were listed."""

    name: str = ""
    node: Node | None = None
    listed: frozenset[str] = frozenset()


class NodeWatch(CollectionWatch[NodeEvent]):
    what = "node"

    def event(self, item: Object, *, deleted: bool = False, listed: bool = False) -> NodeEvent:
        del listed
        return NodeEvent(item["metadata"]["name"], None if deleted else nodes.node_of(item))

    def relisted(self, listed: Sequence[NodeEvent], version: str) -> NodeEvent:
        del version
        return NodeEvent(listed=frozenset(event.name for event in listed))


class RecentNodes:
    """Every node by name, as it was some seconds ago at most.

    A list of five thousand nodes is some 60 MB of JSON, and a second of a processor: they are listed once, and then
    watched. While the watch is not healthy they are listed as before it.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._listed: BriefCache[Sequence[Node]] = BriefCache(SECONDS, 1)
        self._known: dict[str, Node] = {}
        #: In their order; None: something changed since.
        self._sorted: Sequence[Node] | None = None
        self._watch: NodeWatch | None = None
        self._is_whole = False
        self._asked_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def all(self) -> Sequence[Node]:
        self._asked_at = time.monotonic()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())
        if self._watch is None or not (self._is_whole and self._watch.is_healthy):
            return await self._listed.get("nodes", lambda: nodes.nodes(self._api))
        if self._sorted is None:
            self._sorted = sorted(self._known.values(), key=lambda node: node.name)
        return self._sorted

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _follow(self) -> None:
        """Until no caller asks."""
        self._watch = NodeWatch(self._api, nodes.PATH, {})
        try:
            async with aclosing(self._watch.events()) as events:
                async for event in events:
                    self._note(event)
                    if time.monotonic() - self._asked_at > UNASKED_SECONDS:
                        return
        finally:
            self._watch, self._is_whole, self._sorted = None, False, None
            self._known.clear()

    def _note(self, event: NodeEvent) -> None:
        if event.node:
            if self._known.get(event.name) == event.node:
                return
            self._known[event.name] = event.node
        elif event.name:
            self._known.pop(event.name, None)
        else:
            for gone in self._known.keys() - event.listed:
                del self._known[gone]
            self._is_whole = True
        self._sorted = None

"""Which tokens were accepted lately, so that their owners do not wait behind strangers; it proves nothing."""

from collections import OrderedDict


class KnownTokens:
    """Hashes of the latest accepted tokens of the latest callers, bounded for each caller and in all."""

    def __init__(self, callers: int, each: int) -> None:
        self._callers = callers
        self._each = each
        self._of_caller: OrderedDict[str, OrderedDict[bytes, None]] = OrderedDict()
        self._caller_of: dict[bytes, str] = {}

    def __contains__(self, token: bytes) -> bool:
        return token in self._caller_of

    def add(self, user_id: str, token: bytes) -> None:
        """The token was accepted just now; the caller's oldest goes where they have too many."""
        self.drop(token)
        mine = self._of_caller.setdefault(user_id, OrderedDict())
        self._of_caller.move_to_end(user_id)
        mine[token] = None
        self._caller_of[token] = user_id
        if len(mine) > self._each:
            del self._caller_of[mine.popitem(last=False)[0]]
        if len(self._of_caller) > self._callers:
            for oldest in self._of_caller.popitem(last=False)[1]:
                del self._caller_of[oldest]

    def drop(self, token: bytes) -> None:
        """The token is not accepted any more."""
        user_id = self._caller_of.pop(token, None)
        if user_id is not None:
            del self._of_caller[user_id][token]

    def __len__(self) -> int:
        return len(self._caller_of)

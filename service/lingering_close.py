"""A connection that is closed only when the client has had a chance to read why.

Who is refused early is still sending. For bytes that are not read the kernel sends a reset, and a client that is
writing then finds its connection broken and never looks for the answer that lies there.
"""

import asyncio
from collections.abc import Callable
from typing import Any


class LingeringTransport:
    """A connection's transport, as uvicorn uses it; `is_sending`: whether the client is still sending what is dropped.

    Asked to close then, it sends its end and goes on reading; `ended` or a second `close` closes it.
    """

    def __init__(self, transport: asyncio.Transport, is_sending: Callable[[], bool]) -> None:
        self._transport = transport
        self._is_sending = is_sending
        self.lingers = False
        #: False: it closes at once, whoever is sending.
        self.may_linger = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        if self.lingers or not self.may_linger or self._transport.is_closing() or not self._is_sending():
            self._transport.close()
            return
        self.lingers = True
        if self._transport.can_write_eof():  # over TLS it cannot: its client goes by the answer's length
            self._transport.write_eof()

    def ended(self) -> None:
        """To be called when what the client sends may have come to its end."""
        if self.lingers and not self._is_sending():
            self._transport.close()

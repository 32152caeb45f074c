"""Deliver committed entries of the log to every process. A bus may lose messages; the log may not.

A bus passes entries to its listener in log order, each once; an implementation that can lose
entries first fills the gap from the log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from deskwire.events.cursor import Cursor
from deskwire.events.log import Entry

Listener = Callable[[Sequence[Entry]], None]
StartOver = Callable[[str], Awaitable[Cursor]]  # gets the reason; returns where it continues


class Bus(Protocol):
    """Carry committed entries to the hub of every process."""

    def listen(self, listener: Listener, start_over: StartOver | None = None) -> None:
        """Call `listener` on the event loop with entries in log order.

        Call `start_over` where the log no longer continues what `listener` was given, because the
        database went back in time: what is open is to be read again, from the log as it is now.
        """

    def on_committed(self, committed_items: Sequence[Any]) -> None:
        """Accept the signals of a transaction of this process after its commit, in any thread."""

    async def run(self) -> None:
        """Do the background work of the implementation until cancelled."""

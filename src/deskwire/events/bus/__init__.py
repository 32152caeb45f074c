"""Deliver committed entries of the log to every process. A bus may lose messages; the log may not.

A bus passes entries to its listener in log order, each once; an implementation that can lose
entries first fills the gap from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from deskwire.events.log import Entry

Listener = Callable[[Sequence[Entry]], None]


class Bus(Protocol):
    """Carries committed entries to the hub of every process."""

    def listen(self, listener: Listener) -> None:
        """Call `listener` on the event loop with entries in log order."""

    def on_committed(self, committed_items: Sequence[Any]) -> None:
        """Accept the signals of a transaction of this process after its commit, in any thread."""

    async def run(self) -> None:
        """Do the background work of the implementation until cancelled."""

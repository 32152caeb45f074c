"""The bus tells every process that the log grew. It may lose messages; the log may not.

A bus hands entries to its listener in log order, each once; an engine that can lose one fills
the gap from the log first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from deskwire.events.log import Entry

Listener = Callable[[Sequence[Entry]], None]


class Bus(Protocol):
    """How committed entries reach the hub of every process."""

    def listen(self, listener: Listener) -> None:
        """Call `listener` on the event loop with entries in log order."""

    def on_committed(self, committed_items: Sequence[Any]) -> None:
        """What a transaction of this process noted, after its commit; in any thread."""

    async def run(self) -> None:
        """Do what the engine needs done meanwhile, until cancelled."""

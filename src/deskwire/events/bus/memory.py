"""The bus within one process: what the writer committed is handed to the loop, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from deskwire.events.bus import Listener
from deskwire.events.log import Appended, Entry


class MemoryBus:
    """Subscribe `committed` to the database; entries reach the listener in commit order."""

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._loop = asyncio.get_running_loop()
        self._listener: Listener | None = None
        self._waiting: list[Entry] = []

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def committed(self, noted: Sequence[Any]) -> None:
        """Called in the writer's thread, after each commit and before the next."""
        entries = [thing.entry(self._epoch) for thing in noted if isinstance(thing, Appended)]
        if entries and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._collect, entries)

    async def run(self) -> None:
        """Nothing needs to be done: entries come by themselves."""
        await asyncio.Event().wait()

    def _collect(self, entries: list[Entry]) -> None:
        # Commits that land in one turn of the loop leave as one burst (one write per seat).
        if not self._waiting:
            self._loop.call_soon(self._hand_over)
        self._waiting += entries

    def _hand_over(self) -> None:
        entries, self._waiting = self._waiting, []
        if self._listener is not None:
            self._listener(entries)

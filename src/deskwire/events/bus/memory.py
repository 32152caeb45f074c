"""The bus within one process: what the writer committed is handed to the loop, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deskwire.events.bus import Listener
from deskwire.events.log import Appended, Entry
from deskwire.kit.db import Rung


class MemoryBus:
    """Subscribe `committed` to the database; entries reach the listener in commit order."""

    def __init__(self, epoch: str, bells: Mapping[str, Callable[[], None]]) -> None:
        self._epoch = epoch
        self._bells = bells
        self._loop = asyncio.get_running_loop()
        self._listener: Listener | None = None
        self._waiting: list[Entry] = []

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def committed(self, noted: Sequence[Any]) -> None:
        """Called in the writer's thread, after each commit and before the next."""
        entries = [thing.entry(self._epoch) for thing in noted if isinstance(thing, Appended)]
        if self._loop.is_closed():
            return
        if entries:
            self._loop.call_soon_threadsafe(self._collect, entries)
        for bell in {thing.bell for thing in noted if isinstance(thing, Rung)} & self._bells.keys():
            self._loop.call_soon_threadsafe(self._bells[bell])

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

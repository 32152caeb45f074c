"""The bus within one process: what the writer committed is handed to the loop, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deskwire.events.bus import Listener
from deskwire.events.log import AppendedRow, Entry
from deskwire.kit.db import WakeSignal


class MemoryBus:
    """Subscribe `committed` to the database; entries reach the listener in commit order."""

    def __init__(self, epoch: str, wake_callbacks: Mapping[str, Callable[[], None]]) -> None:
        self._epoch = epoch
        self._wake_callbacks = wake_callbacks
        self._loop = asyncio.get_running_loop()
        self._listener: Listener | None = None
        self._pending: list[Entry] = []

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def on_committed(self, committed_items: Sequence[Any]) -> None:
        """Called in the writer's thread, after each commit and before the next."""
        entries = [
            thing.to_entry(self._epoch)
            for thing in committed_items
            if isinstance(thing, AppendedRow)
        ]
        if self._loop.is_closed():
            return
        if entries:
            self._loop.call_soon_threadsafe(self._collect, entries)
        for bell in {
            thing.topic for thing in committed_items if isinstance(thing, WakeSignal)
        } & self._wake_callbacks.keys():
            self._loop.call_soon_threadsafe(self._wake_callbacks[bell])

    async def run(self) -> None:
        """Nothing needs to be done: entries come by themselves."""
        await asyncio.Event().wait()

    def _collect(self, entries: list[Entry]) -> None:
        # Commits that land in one turn of the loop leave as one burst (one write per seat).
        if not self._pending:
            self._loop.call_soon(self._emit)
        self._pending += entries

    def _emit(self) -> None:
        entries, self._pending = self._pending, []
        if self._listener is not None:
            self._listener(entries)

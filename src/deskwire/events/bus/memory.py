"""Deliver entries within one process, from the database's writer thread to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deskwire.events.bus import Listener, StartOver
from deskwire.events.log import AppendedRow, Entry
from deskwire.kit.db import WakeSignal


class MemoryBus:
    """The bus of SQLite; `on_committed` is to be the database's commit listener.

    Entries reach the listener in commit order.
    """

    def __init__(self, epoch: str, wake_callbacks: Mapping[str, Callable[[], None]]) -> None:
        self._epoch = epoch
        self._wake_callbacks = wake_callbacks
        self._loop = asyncio.get_running_loop()
        self._listener: Listener | None = None
        self._pending: list[Entry] = []

    def listen(self, listener: Listener, start_over: StartOver | None = None) -> None:
        self._listener = listener

    def on_committed(self, committed_items: Sequence[Any]) -> None:
        """Called in the writer's thread, after each commit and before the next."""
        entries = [
            item.to_entry(self._epoch) for item in committed_items if isinstance(item, AppendedRow)
        ]
        if self._loop.is_closed():
            return
        if entries:
            self._loop.call_soon_threadsafe(self._collect, entries)
        topics = {item.topic for item in committed_items if isinstance(item, WakeSignal)}
        for topic in topics & self._wake_callbacks.keys():
            self._loop.call_soon_threadsafe(self._wake_callbacks[topic])

    async def run(self) -> None:
        """Wait until cancelled: this bus needs no background work."""
        await asyncio.Event().wait()

    def _collect(self, entries: list[Entry]) -> None:
        # Commits of one turn of the loop are emitted together: one write per stream.
        if not self._pending:
            self._loop.call_soon(self._emit)
        self._pending += entries

    def _emit(self) -> None:
        entries, self._pending = self._pending, []
        if self._listener is not None:
            self._listener(entries)

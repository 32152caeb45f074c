"""Coalesce frequent calls into one right away and at most one per interval after that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Coalescer:
    """Run `callback` at most once per `interval` seconds, on the leading and the trailing edge.

    `call_later(seconds, function)` schedules the trailing call; by default the event loop's own.
    """

    def __init__(
        self,
        callback: Callable[[], None],
        interval: float,
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        self._callback = callback
        self._interval = interval
        self._call_later = call_later or _call_later_on_loop
        self._is_waiting = False
        self._is_pending = False

    def schedule(self) -> None:
        """Request a call. Must be called on the event loop; the last request is never dropped."""
        if self._is_waiting:
            self._is_pending = True
            return
        self._is_waiting, self._is_pending = True, False
        self._call_later(self._interval, self._end_interval)
        self._callback()

    def _end_interval(self) -> None:
        self._is_waiting = False
        if self._is_pending:
            self.schedule()


def _call_later_on_loop(seconds: float, callback: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, callback)

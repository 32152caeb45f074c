"""A pace: what is asked for very often is done at once, and after that only every so often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Coalescer:
    """Does `act` at once, then again whenever `gap` s are over in which it was asked for.

    `later`: how something is done after so many seconds; the loop's own by default.
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
        """Have it done. Called on the event loop; the last one to ask is never left out."""
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

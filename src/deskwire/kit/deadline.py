"""Time limits for very many things that nearly always take no time: one timer for all of them.

`asyncio.timeout` sets a timer of the loop each time, which costs twice what checking a signature
does (docs/performance.md).
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

LOOKS = 4  # within the limit; what is too late is noticed at most a quarter of it later


class TimeLimit:
    """What a task does `with` it may take `seconds`, or it raises TimeoutError."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[asyncio.Task[Any], float] = {}  # by the loop's clock
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be told that it takes too long")
        self._ends[task] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._seconds / LOOKS, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        task = asyncio.current_task()
        if task is None or self._ends.pop(task, None) is not None:
            return  # in time
        if task.uncancel() == 0 and kind is asyncio.CancelledError:  # else somebody else did, too
            raise TimeoutError from error

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task in [each for each, end in self._ends.items() if end <= now]:
            del self._ends[task]
            task.cancel()
        self._timer = loop.call_later(self._seconds / LOOKS, self._look) if self._ends else None

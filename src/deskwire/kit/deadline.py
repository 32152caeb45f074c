"""Time limits for very many things that nearly always take no time: one timer for all of them.

`asyncio.timeout` sets a timer of the loop each time, which costs twice what checking a signature
does (docs/performance.md).
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

CHECKS_PER_TIMEOUT = 4  # per timeout, so an overrun is noticed at most a quarter of it late


class Deadline:
    """What a task does `with` it may take `seconds`, or it raises TimeoutError."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._deadlines: dict[asyncio.Task[Any], float] = {}  # by the loop's clock
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be told that it takes too long")
        self._deadlines[task] = loop.time() + self._timeout
        if self._timer is None:
            self._timer = loop.call_later(self._timeout / CHECKS_PER_TIMEOUT, self._cancel_overdue)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        task = asyncio.current_task()
        if task is None or self._deadlines.pop(task, None) is not None:
            return  # in time
        if task.uncancel() == 0 and kind is asyncio.CancelledError:  # else somebody else did, too
            raise TimeoutError from error

    def _cancel_overdue(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task in [each for each, end in self._deadlines.items() if end <= now]:
            del self._deadlines[task]
            task.cancel()
        self._timer = (
            loop.call_later(self._timeout / CHECKS_PER_TIMEOUT, self._cancel_overdue)
            if self._deadlines
            else None
        )

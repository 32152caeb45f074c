"""Durations in buckets, and threads that say how long their work waited and took."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from time import perf_counter
from typing import ParamSpec, TypeVar

BUCKET_BOUNDS = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
)  # s
LAG_INTERVAL = 0.5  # s between two looks at the loop; 30 of them between two scrapes of 15 s

P = ParamSpec("P")
T = TypeVar("T")


class DurationHistogram:
    """How often something took how long. `add` may be called from any thread."""

    __slots__ = ("_counts", "_lock", "_total")

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKET_BOUNDS) + 1)  # the last: longer than every bound
        self._total = 0.0
        self._lock = Lock()  # four threads read the database

    def observe(self, seconds: float) -> None:
        """One more."""
        place = bisect_left(BUCKET_BOUNDS, seconds)  # a duration equal to a bound is within it
        with self._lock:
            self._counts[place] += 1
            self._total += seconds

    def read(self) -> tuple[list[int], float]:
        """How many there were in each bucket (not in those before it too), and their sum in s."""
        with self._lock:
            return list(self._counts), self._total


class TimedThreadPool(ThreadPoolExecutor):
    """A pool of threads; `waits` says how long work stood in its queue, `works` how long it ran."""

    def __init__(self, max_workers: int, *, name: str) -> None:
        super().__init__(max_workers, thread_name_prefix=name)
        self.wait_times = DurationHistogram()
        self.run_times = DurationHistogram()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        asked = perf_counter()

        def run() -> T:
            begun = perf_counter()
            self.wait_times.observe(begun - asked)
            try:
                return fn(*args, **kwargs)
            finally:
                self.run_times.observe(perf_counter() - begun)

        return super().submit(run)


async def measure_loop_lag(
    histogram: DurationHistogram,
    *,
    clock: Callable[[], float] = perf_counter,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Note, until cancelled, how much later than due the event loop comes to what is due."""
    while True:
        due = clock() + LAG_INTERVAL
        await sleep(LAG_INTERVAL)
        histogram.observe(max(0.0, clock() - due))

"""Measure durations with histograms, thread pools that time their work, and event loop lag."""

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
LAG_INTERVAL = 0.5  # s between measurements; 30 of them per scrape interval of 15 s

P = ParamSpec("P")
T = TypeVar("T")


class DurationHistogram:
    """A histogram of durations. `observe` may be called from any thread."""

    __slots__ = ("_counts", "_lock", "_total")

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKET_BOUNDS) + 1)  # the last: above every bound
        self._total = 0.0
        self._lock = Lock()  # the reader threads share one histogram

    def observe(self, seconds: float) -> None:
        """Add a duration."""
        bucket = bisect_left(BUCKET_BOUNDS, seconds)  # bounds are inclusive
        with self._lock:
            self._counts[bucket] += 1
            self._total += seconds

    def read(self) -> tuple[list[int], float]:
        """Return the count of each bucket (not cumulative) and the sum of all durations in s."""
        with self._lock:
            return list(self._counts), self._total


class TimedThreadPool(ThreadPoolExecutor):
    """A thread pool that measures how long work waits in its queue and how long it runs.

    `refuse` is called with each wait in s, and may raise instead of letting the work begin.
    """

    def __init__(
        self, max_workers: int, *, name: str, refuse: Callable[[float], None] = lambda _: None
    ) -> None:
        super().__init__(max_workers, thread_name_prefix=name)
        self._refuse = refuse
        self.wait_times = DurationHistogram()
        self.run_times = DurationHistogram()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        submitted_at = perf_counter()

        def run() -> T:
            started_at = perf_counter()
            self.wait_times.observe(started_at - submitted_at)
            self._refuse(started_at - submitted_at)
            try:
                return fn(*args, **kwargs)
            finally:
                self.run_times.observe(perf_counter() - started_at)

        return super().submit(run)


async def measure_loop_lag(
    histogram: DurationHistogram,
    *,
    clock: Callable[[], float] = perf_counter,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Measure until cancelled how late the event loop wakes a sleeping task."""
    while True:
        due_at = clock() + LAG_INTERVAL
        await sleep(LAG_INTERVAL)
        histogram.observe(max(0.0, clock() - due_at))

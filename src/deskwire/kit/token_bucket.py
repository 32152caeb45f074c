"""Limit a rate per key with token buckets, in memory."""

from __future__ import annotations

import time
from collections.abc import Callable

MAX_BUCKETS = 10_000  # buckets in memory; full ones are dropped when there are more


class TokenBuckets:
    """A bucket for each key; each holds up to `capacity` tokens and gains `rate` a second."""

    def __init__(
        self, capacity: float, rate: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity, self._rate, self._clock = capacity, rate, clock
        self._full_at: dict[str, float] = {}  # when each bucket will be full again

    def take(self, key: str, tokens: float) -> float:
        """Take tokens, and return 0; or take none, and return in how many seconds they are there.

        Takes a whole bucket at most.
        """
        at = self._clock()
        full_at = max(self._full_at.get(key, at), at) + min(tokens, self._capacity) / self._rate
        wait = full_at - at - self._capacity / self._rate
        if wait > 1e-9:  # not a rounding error
            return wait
        if len(self._full_at) >= MAX_BUCKETS:
            self._full_at = {each: then for each, then in self._full_at.items() if then > at}
        self._full_at[key] = full_at
        return 0.0

    def count_left(self, key: str) -> int:
        """Return how many whole tokens a bucket holds now."""
        missing = max(0.0, self._full_at.get(key, 0.0) - self._clock()) * self._rate
        return int(self._capacity - missing + 1e-9)  # not a rounding error

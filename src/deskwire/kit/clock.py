"""Read and format the time, which is stored everywhere as whole milliseconds since 1970 UTC."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

Millis = int
Clock = Callable[[], Millis]

SECOND: Millis = 1000
MINUTE: Millis = 60 * SECOND
HOUR: Millis = 60 * MINUTE
DAY: Millis = 24 * HOUR


def now() -> Millis:
    """Return the wall-clock time in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def format_iso(at: Millis) -> str:
    """Format `at` as ISO 8601 in UTC with milliseconds, e.g. `2026-11-22T10:00:00.000Z`."""
    seconds, millis = divmod(at, 1000)
    return f"{_format_iso_second(seconds)}.{millis:03}Z"


@lru_cache(4)  # seconds; log lines and webhook responses of the same second share one entry
def _format_iso_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")

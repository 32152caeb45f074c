"""The time, as everything here keeps it: whole milliseconds since 1970, UTC."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Millis = int
Clock = Callable[[], Millis]

SECOND: Millis = 1000
MINUTE: Millis = 60 * SECOND
HOUR: Millis = 60 * MINUTE
DAY: Millis = 24 * HOUR


def now() -> Millis:
    """The wall clock, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def iso(at: Millis) -> str:
    """`at` as ISO 8601 in UTC with milliseconds, e.g. `2026-11-22T10:00:00.000Z`."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

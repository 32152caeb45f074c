"""Limit what a flood of errors writes to the log: one line per kind and second.

While a database is away, every request fails alike. Ten thousand tracebacks say no more than one,
fill the disk, and cost more than the requests.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock

INTERVAL = 1.0  # s between two lines of a kind
MAX_KINDS = 1_000  # kinds remembered; there are a few dozen


@dataclass(slots=True)
class _Repeats:
    """When a line of a kind was last passed, and how many were dropped since."""

    passed_at: float
    dropped: int = 0


class LogLimit(logging.Filter):
    """Drop repeated records: those with a traceback, those with a `kind`, and uvicorn's warnings.

    `extra={"kind": …}` limits a record without a traceback. One with `extra={"reference": …}`,
    which people may be asked to look up, loses its traceback instead. The next line of the kind
    says how many were dropped. `clock` is in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._repeats: dict[Hashable, _Repeats] = {}
        self._lock = Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        kind = _kind_of(record)
        if kind is None:
            return True
        now = self._clock()
        with self._lock:
            repeats = self._repeats.get(kind)
            if repeats is None or now - repeats.passed_at >= INTERVAL:
                self._pass(record, kind, repeats, now)
                return True
            if hasattr(record, "reference"):
                record.exc_info = None
                return True
            repeats.dropped += 1
            return False

    def _pass(
        self, record: logging.LogRecord, kind: Hashable, repeats: _Repeats | None, now: float
    ) -> None:
        if repeats is not None and repeats.dropped:
            record.msg = f"{record.msg} (and {repeats.dropped} more like it before)"
        if len(self._repeats) >= MAX_KINDS:
            self._repeats.clear()
        self._repeats[kind] = _Repeats(now)


def _kind_of(record: logging.LogRecord) -> Hashable | None:
    """Return what counts as the same kind of line; None for a record that is not limited."""
    kind: Hashable | None = getattr(record, "kind", None)
    if record.exc_info:
        return record.name, record.msg, record.exc_info[0]
    if kind is not None or (record.name == "uvicorn.error" and record.levelno >= logging.WARNING):
        return record.name, record.msg, kind
    return None

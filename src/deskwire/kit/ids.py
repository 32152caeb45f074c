"""Identifiers and secrets: ids sort by the time they were made, secrets cannot be guessed."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from uuid import UUID


def new_id(at_ms: int | None = None) -> str:
    """A UUIDv7 as 36 characters; later ids of a process sort after earlier ones, also within a
    millisecond (RFC 9562, sections 5.7 and 6.2). With `at_ms`, it sorts by that time only."""
    if at_ms is not None:
        return _uuid7(_first_of(at_ms))
    global _newest
    with _lock:
        _newest = max(_newest + 1, _first_of(time.time_ns() // 1_000_000))
        return _uuid7(_newest)


_newest = 0  # the last id given out, as 48 bits of time and 74 that rise within it
_lock = threading.Lock()


def _first_of(at_ms: int) -> int:
    # The highest random bit stays 0, so that those that follow have room to rise.
    return (at_ms & (1 << 48) - 1) << 74 | secrets.randbits(73)


def _uuid7(number: int) -> str:
    time_ms, high, low = number >> 74, number >> 62 & 0xFFF, number & (1 << 62) - 1
    return str(UUID(int=time_ms << 80 | 0x7 << 76 | high << 64 | 0x2 << 62 | low))


UUID7 = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_UUID7 = re.compile(UUID7)


def is_id(text: str) -> bool:
    """Whether `text` is a UUIDv7 as `new_id` writes them."""
    return _UUID7.fullmatch(text) is not None


def new_secret() -> str:
    """256 random bits, safe in a cookie and a URL (43 characters)."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is stored of a secret: its SHA-256 in hex. Enough for secrets of full entropy only."""
    return hashlib.sha256(secret.encode()).hexdigest()

"""Identifiers and secrets: ids sort by the time they were made, secrets cannot be guessed."""

from __future__ import annotations

import hashlib
import secrets
import time
from uuid import UUID


def new_id(at_ms: int | None = None) -> str:
    """A UUIDv7 as 36 characters; later ids sort after earlier ones (RFC 9562, section 5.7)."""
    stamp = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    number = (stamp & (1 << 48) - 1) << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=number))


def new_secret() -> str:
    """256 random bits, safe in a cookie and a URL (43 characters)."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is stored of a secret: its SHA-256 in hex. Enough for secrets of full entropy only."""
    return hashlib.sha256(secret.encode()).hexdigest()

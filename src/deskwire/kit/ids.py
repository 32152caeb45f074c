"""Generate ids that sort by creation time, and secrets that cannot be guessed."""

from __future__ import annotations

import hashlib
import re
import secrets

from uuid_utils import uuid7


def new_id(at_ms: int | None = None) -> str:
    """Return a new UUIDv7 as 36 characters (RFC 9562, section 5.7).

    Later ids of a process sort after earlier ones, also within a millisecond. With `at_ms`
    (milliseconds since 1970), the id sorts by that time only.
    """
    return str(uuid7() if at_ms is None else uuid7(nanoseconds=at_ms * 1_000_000))


UUID7_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_UUID7_REGEX = re.compile(UUID7_PATTERN)


def is_id(text: str) -> bool:
    """Whether `text` is a UUIDv7 as `new_id` writes them."""
    return _UUID7_REGEX.fullmatch(text) is not None


def new_secret() -> str:
    """Return 256 random bits as 43 characters that are safe in a cookie and a URL."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a secret in hex, as it is stored. For secrets of full entropy only."""
    return hashlib.sha256(secret.encode()).hexdigest()

"""Where the bot posts and how it signs: HMAC-SHA256 over `{timestamp}.{raw body}`, lower-case hex.

Wire formats, section 1. Pure: secrets and the time come in as arguments.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable

from deskwire.kit.clock import MINUTE, Millis

PATH = "/api/webhooks/bot/events"
MAX_AGE = 5 * MINUTE  # either way: a message from the future is as suspicious as an old one

_TIMESTAMP = re.compile(rb"\d{13}")
_SIGNATURE = re.compile(rb"sha256=[0-9a-f]{64}")


def sign(secret: str, timestamp: Millis, body: bytes) -> str:
    """The value of `x-webhook-signature` for `body` sent at `timestamp`."""
    return "sha256=" + _mac(secret, str(timestamp).encode(), body).hex()


def is_signed(
    secrets: Iterable[str], timestamp: bytes, signature: bytes, body: bytes, now: Millis
) -> bool:
    """Whether one of `secrets` signed `body`, and not more than MAX_AGE from `now`."""
    if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
        return False
    given = bytes.fromhex(signature[len(b"sha256=") :].decode())
    matches = False
    for secret in secrets:  # every one, so that the time taken does not tell which one matched
        matches |= hmac.compare_digest(_mac(secret, timestamp, body), given)
    return matches and abs(now - int(timestamp)) <= MAX_AGE


def _mac(secret: str, timestamp: bytes, body: bytes) -> bytes:
    # In one call: an object of `hmac.new` costs three times as much as the hashing.
    return hmac.digest(secret.encode(), timestamp + b"." + body, "sha256")

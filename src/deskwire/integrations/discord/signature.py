"""Where the bot posts and how it signs: HMAC-SHA256 over `{timestamp}.{raw body}`, lower-case hex.

Wire formats, section 1. Pure: secrets and the time come in as arguments.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from functools import lru_cache

from deskwire.kit.clock import MINUTE, Millis

WEBHOOK_PATH = "/api/webhooks/bot/events"
MAX_AGE = 5 * MINUTE  # either way: a message from the future is as suspicious as an old one

TIMESTAMP_DIGITS = 13  # milliseconds; from 2001 to 2286


def sign(secret: str, timestamp: Millis, body: bytes) -> str:
    """The value of `x-webhook-signature` for `body` sent at `timestamp`."""
    return _signature(secret, str(timestamp).encode(), body)


def is_signature_valid(
    secrets: Iterable[str], timestamp: bytes, signature: bytes, body: bytes, now: Millis
) -> bool:
    """Whether one of `secrets` signed `body`, and not more than MAX_AGE from `now`."""
    if len(timestamp) != TIMESTAMP_DIGITS or not timestamp.isdigit():
        return False
    matches = False
    for secret in secrets:  # every one, so that the time taken does not tell which one matched
        made = _signature(secret, timestamp, body).encode()
        matches |= hmac.compare_digest(made, signature)
    return matches and abs(now - int(timestamp)) <= MAX_AGE


def _signature(secret: str, timestamp: bytes, body: bytes) -> str:
    mac = _hmac_for(secret).copy()
    mac.update(timestamp + b"." + body)
    return "sha256=" + mac.hexdigest()


@lru_cache(8)  # of the few secrets there are; half of an HMAC's price is taking in its key
def _hmac_for(secret: str) -> hmac.HMAC:
    return hmac.new(secret.encode(), digestmod="sha256")

"""Sign the bot's webhooks and check signatures (wire formats, section 1).

A signature is the HMAC-SHA256 of `{timestamp}.{raw body}` in lower-case hex. Pure: secrets and the
time are arguments.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from functools import lru_cache

from deskwire.kit.clock import MINUTE, Millis

WEBHOOK_PATH = "/api/webhooks/bot/events"
MAX_AGE = 5 * MINUTE  # in both directions: a time in the future is as suspicious as an old one

TIMESTAMP_DIGITS = 13  # milliseconds; from 2001 to 2286


def sign(secret: str, timestamp: Millis, body: bytes) -> str:
    """Return the value of `x-webhook-signature` for `body` sent at `timestamp`."""
    return _signature(secret, str(timestamp).encode(), body)


def is_signature_valid(
    secrets: Iterable[str], timestamp: bytes, signature: bytes, body: bytes, now: Millis
) -> bool:
    """Whether `body` was signed with one of `secrets`, at most MAX_AGE before or after `now`."""
    if not is_fresh(timestamp, now):
        return False
    matches = False
    for secret in secrets:  # all of them, so that the duration does not reveal which one matched
        expected = _signature(secret, timestamp, body).encode()
        matches |= hmac.compare_digest(expected, signature)
    return matches


def is_fresh(timestamp: bytes, now: Millis) -> bool:
    """Whether a header's timestamp is well-formed, and at most MAX_AGE before or after `now`."""
    is_well_formed = len(timestamp) == TIMESTAMP_DIGITS and timestamp.isdigit()
    return is_well_formed and abs(now - int(timestamp)) <= MAX_AGE


def _signature(secret: str, timestamp: bytes, body: bytes) -> str:
    mac = _hmac_for(secret).copy()
    mac.update(timestamp + b"." + body)
    return "sha256=" + mac.hexdigest()


@lru_cache(8)  # one per secret; setting the key is half the cost of an HMAC
def _hmac_for(secret: str) -> hmac.HMAC:
    return hmac.new(secret.encode(), digestmod="sha256")

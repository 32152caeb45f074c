"""Sign the bot's webhooks and check signatures (wire formats, section 1).

A signature is the HMAC-SHA256 of `{timestamp}.{raw body}` in lower-case hex. Pure: secrets and the
time are arguments.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from functools import lru_cache

from deskwire.kit.clock import MINUTE, SECOND, Millis

WEBHOOK_PATH = "/api/webhooks/bot/events"
MAX_AGE = 5 * MINUTE  # in both directions: a time in the future is as suspicious as an old one

TIMESTAMP_DIGITS = 13  # milliseconds; from 2001 to 2286


def sign(secret: str, timestamp: Millis, body: bytes) -> str:
    """Return the value of `x-webhook-signature` for `body` sent at `timestamp`."""
    return _signature(secret, str(timestamp).encode(), body)


def find_signature_problem(
    secrets: Iterable[str], timestamp: bytes, signature: bytes, body: bytes
) -> str | None:
    """Return why a signature is invalid, for the log; None if it is valid, whenever it was made.

    It is valid if `timestamp` and `body` were signed with one of `secrets`.
    """
    matches = False
    for secret in secrets:  # all of them, so that the duration does not reveal which one matched
        expected = _signature(secret, timestamp, body).encode()
        matches |= hmac.compare_digest(expected, signature)
    return None if matches else "the secret differs, or the body was changed on the way"


def find_timestamp_problem(timestamp: bytes, now: Millis) -> str | None:
    """Return why a header's timestamp cannot be accepted, for the log; None if it can."""
    if len(timestamp) != TIMESTAMP_DIGITS or not timestamp.isdigit():
        return f"the timestamp is not {TIMESTAMP_DIGITS} digits of milliseconds"
    ahead = int(timestamp) - now
    if abs(ahead) <= MAX_AGE:
        return None
    direction = "ahead of" if ahead > 0 else "behind"
    return (
        f"the sender's time is {abs(ahead) // SECOND} s {direction} ours: "
        "a clock is wrong, or an old request was sent again"
    )


def _signature(secret: str, timestamp: bytes, body: bytes) -> str:
    mac = _hmac_for(secret).copy()
    mac.update(timestamp + b"." + body)
    return "sha256=" + mac.hexdigest()


@lru_cache(8)  # one per secret; setting the key is half the cost of an HMAC
def _hmac_for(secret: str) -> hmac.HMAC:
    return hmac.new(secret.encode(), digestmod="sha256")

"""Purging: what is over and proves nothing any more is deleted."""

from __future__ import annotations

from sqlalchemy import Connection, delete

from deskwire.accounts.links import links
from deskwire.accounts.rate_limit import RATE_LIMITS, RateLimits, failures
from deskwire.accounts.sessions import sessions
from deskwire.kit.clock import Millis


def delete_expired(tx: Connection, at: Millis, limits: RateLimits = RATE_LIMITS) -> int:
    """Delete expired sessions, expired links and failures outside the window; how many rows.

    An expired session makes no event: nothing hears by it any more, its streams ended with it.
    """
    over = (
        delete(sessions).where(sessions.c.expires_at <= at),
        delete(links).where(links.c.expires_at <= at),
        delete(failures).where(failures.c.at <= at - limits.window),
    )
    return sum(tx.execute(statement).rowcount for statement in over)

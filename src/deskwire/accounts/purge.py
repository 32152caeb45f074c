"""Delete expired sessions, links and recorded sign-in failures."""

from __future__ import annotations

from sqlalchemy import Connection, delete

from deskwire.accounts.links import links
from deskwire.accounts.rate_limit import RATE_LIMITS, RateLimits, failures
from deskwire.accounts.sessions import sessions
from deskwire.kit.clock import Millis


def delete_expired(tx: Connection, at: Millis, limits: RateLimits = RATE_LIMITS) -> int:
    """Delete expired sessions, expired links and failures older than the window.

    Returns the number of deleted rows. An expired session needs no event: it grants no access any
    more, and its streams ended when it expired.
    """
    statements = (
        delete(sessions).where(sessions.c.expires_at <= at),
        delete(links).where(links.c.expires_at <= at),
        delete(failures).where(failures.c.at <= at - limits.window),
    )
    return sum(tx.execute(statement).rowcount for statement in statements)

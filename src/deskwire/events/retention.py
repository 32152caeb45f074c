"""Trimming: the oldest entries of the log go, from its beginning on, so that it never has a hole.

Their positions are never given again, also where the whole log has gone: `floor` remembers them.
"""

from __future__ import annotations

from itertools import takewhile

from sqlalchemy import Connection, delete, select, update

from deskwire.events.log import log, log_state
from deskwire.kit.clock import Millis


def trim_log(tx: Connection, before: Millis, limit: int) -> int:
    """Delete up to `at_most` of the oldest entries that were appended before a moment; how many.

    One that is younger ends it, whatever lies behind it: a clock that once stood
    wrong may keep entries for too long, and never deletes one too early.
    """
    oldest = select(log.c.position, log.c.at).order_by(log.c.position).limit(limit)
    old = list(takewhile(lambda entry: entry.at < before, tx.execute(oldest)))
    if not old:
        return 0
    last = old[-1].position
    tx.execute(delete(log).where(log.c.position <= last))
    tx.execute(update(log_state).where(log_state.c.floor < last).values(floor=last))
    return len(old)


def read_floor(tx: Connection) -> int:
    """Entries at or before it were trimmed."""
    return int(tx.execute(select(log_state.c.floor)).scalar_one())

"""Trim the oldest entries of the log, from its beginning, so that it never has a gap.

Their positions are never used again, even if the whole log was trimmed: `floor` records them.
"""

from __future__ import annotations

from itertools import takewhile

from sqlalchemy import Connection, delete, select, update

from deskwire.events.consumers.store import read_slowest_position
from deskwire.events.log import log, log_state
from deskwire.kit.clock import DAY, Millis

MAX_WAIT = 7 * DAY  # ms for which an expired entry waits for a consumer that has not planned it


def trim_log(tx: Connection, before: Millis, limit: int) -> int:
    """Delete up to `limit` of the oldest entries, if appended before a time; return their number.

    The first younger entry ends the trimming, whatever follows it: a clock that was wrong for a
    while may keep entries for too long, but never deletes one too early. So does an entry whose
    erasure is unfinished: nothing else knows what is to be erased. And so does, for MAX_WAIT, one
    that a running consumer has not planned.
    """
    slowest = read_slowest_position(tx)
    oldest = select(log.c.position, log.c.at, log.c.erased_to).order_by(log.c.position).limit(limit)
    old = list(
        takewhile(
            lambda entry: (
                entry.at < before
                and entry.erased_to is None
                and (slowest is None or entry.position <= slowest or entry.at < before - MAX_WAIT)
            ),
            tx.execute(oldest),
        )
    )
    if not old:
        return 0
    last = old[-1].position
    tx.execute(delete(log).where(log.c.position <= last))
    tx.execute(update(log_state).where(log_state.c.floor < last).values(floor=last))
    return len(old)


def read_floor(tx: Connection) -> int:
    """Return the position at or before which entries were trimmed."""
    return int(tx.execute(select(log_state.c.floor)).scalar_one())

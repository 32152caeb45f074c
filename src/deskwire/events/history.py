"""Notice that the database went back in time, and begin a new epoch of the log (decision 0039).

A standby that lagged behind is promoted, or a snapshot is put back, under running servers: entries
that streams have heard are gone, and their positions are given again to other events.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, text, update
from sqlalchemy.exc import DBAPIError

from deskwire.events.log import log_state, read_epoch
from deskwire.kit.clock import Millis
from deskwire.kit.db import savepoint

EntryMark = tuple[str, Millis]  # type and time of an entry, which no redaction changes


@dataclass(frozen=True, slots=True)
class History:
    """What a process knows about the log, and what it finds there."""

    epoch: str
    position: int  # of the newest entry that the process has passed on
    entry: EntryMark | None = None  # at that position; None if unknown, or trimmed
    head: int = 0
    floor: int = 0
    cluster: str | None = None  # see `read_cluster`


def read_history(tx: Connection, position: int) -> History:
    """Return what the log says now about the entry at `position`, in one snapshot."""
    row = tx.execute(_READ_HISTORY, {"position": position}).one()
    entry = None if row.type is None else (row.type, row.at)
    return History(row.epoch, position, entry, row.head or row.floor, row.floor)


_READ_HISTORY = text("""
SELECT epoch, floor, (SELECT max(position) FROM log) AS head, entry.type, entry.at
FROM log_state LEFT JOIN log AS entry ON entry.position = :position
""")


def read_cluster(tx: Connection) -> str | None:
    """Return PostgreSQL's system identifier and timeline; None if it does not tell.

    A promoted standby has another timeline, and another server another identifier.
    """
    try:
        with savepoint(tx):
            return str(tx.execute(_READ_CLUSTER).scalar_one())
    except DBAPIError:
        return None


# The control file names the new timeline only after the first checkpoint.
_READ_CLUSTER = text("""
SELECT system_identifier || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
FROM pg_control_system()
""")


def find_break(known: History, found: History) -> str | None:
    """Return why what was found does not continue what is known, or None if it does."""
    if found.head < known.position:
        return f"the log ends at {found.head}, before {known.position}"
    if found.entry is None and known.position > found.floor:
        return f"the entry at {known.position} is missing"
    if None not in (known.entry, found.entry) and known.entry != found.entry:
        return f"the entry at {known.position} is another one"
    if None not in (known.cluster, found.cluster) and known.cluster != found.cluster:
        return f"PostgreSQL's system identifier and timeline were {known.cluster}"
    return None


def replace_epoch(tx: Connection, epoch: str) -> str:
    """Give the log a new epoch if it still has this one; return the one it has then.

    Several servers may notice at once: one replaces it, and the others find it replaced.
    """
    tx.execute(
        update(log_state).where(log_state.c.epoch == epoch).values(epoch=secrets.token_hex(4))
    )
    return read_epoch(tx)

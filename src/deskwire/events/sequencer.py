"""Give the events in the outbox their positions in the log (decision 0021).

After its own commit, a process numbers all committed events, one process at a time. There is no
leader: if a process dies before numbering, the next one does it. Readers only ever see a prefix of
the log, because a position is visible before the lock that guards the next one is released.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Connection, text

from deskwire.events.log import Entry, LogRow, parse_entries, read_epoch, read_head
from deskwire.events.redaction import Redactions
from deskwire.kit.db import acquire_advisory_lock

HEAD_TOPIC = "deskwire_log"  # channel on which PostgreSQL announces the head
BATCH_SIZE = 1000  # events per transaction; its rows are held in memory


@dataclass(frozen=True, slots=True)
class NumberedBatch:
    """The entries that one call appended to the log, in order, and the log's new head."""

    entries: list[Entry]
    head: int


def number_outbox(tx: Connection) -> NumberedBatch:
    """Move up to BATCH_SIZE committed events from the outbox to the log, and announce the head.

    `tx` must be READ COMMITTED and used for nothing else: in a single snapshot the second statement
    would not see what others numbered while the first one waited, and would use a position twice.
    """
    acquire_advisory_lock(tx, "log")
    moved = tx.execute(_MOVE_TO_LOG, {"at_once": BATCH_SIZE, "channel": HEAD_TOPIC}).all()
    rows = cast("Sequence[LogRow]", moved)
    if not rows:
        return NumberedBatch([], read_head(tx))
    return NumberedBatch(parse_entries(read_epoch(tx), rows, Redactions()), rows[-1].position)


# Ids are assigned in the order of row locks, so events of one object keep their order.
_MOVE_TO_LOG = text("""
WITH moved AS (
    DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT :at_once) RETURNING *
), head AS (
    SELECT greatest(floor, (SELECT max(position) FROM log)) AS position FROM log_state
), numbered AS (
    INSERT INTO log (position, type, at, workspace, actor, cause, channels, touches, data,
                     ticket, erased_to)
    SELECT head.position + row_number() OVER (ORDER BY moved.id),
           type, at, workspace, actor, cause, channels, touches, data, ticket, erased_to
    FROM moved, head
    RETURNING *
), announced AS (
    SELECT pg_notify(:channel, max(position)::text) FROM numbered HAVING count(*) > 0
)
SELECT numbered.* FROM numbered, announced ORDER BY position
""")

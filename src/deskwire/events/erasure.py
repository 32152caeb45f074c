"""Erase from the log what events about deletions and edits demand, in short transactions.

An event that demands an erasure has a number in `erased_to`, from the transaction that appended it
on. Every reader redacts what it demands (`log.read_redactions`), so that nothing can be read any
more, and `erase_entries` rewrites the entries afterwards: a page at a time, and `erased_to` says
how far it has come. The entries of a ticket and of a workspace are found through an index; those
that name a person are looked for in the whole log, a stretch at a time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, Select, bindparam, select, update

from deskwire.events.log import log
from deskwire.events.redaction import ERASED, Redaction, find_redaction
from deskwire.kit.db import acquire_advisory_lock

SLICE_SECONDS = 0.005  # s of a transaction; with its last page and its commit at most 10 ms
PAGE_SIZE = 25  # entries rewritten between two looks at the clock
STRETCH = 500  # positions looked through for a person's id between two looks at the clock


class Deadline:
    """The time at which a slice ends."""

    def __init__(self) -> None:
        self._end = time.perf_counter() + SLICE_SECONDS

    @property
    def has_passed(self) -> bool:
        """Whether the slice must end."""
        return time.perf_counter() >= self._end


class ErasedSlice(NamedTuple):
    """What one transaction erased."""

    is_finished: bool  # whether all entries are done
    causes: list[str]  # what led to the erased entries, e.g. "delivery:ID"


def list_erasures(tx: Connection, after: int, limit: int = 100) -> list[Redaction]:
    """Return the oldest unfinished erasures that entries after a position demand."""
    rows = tx.execute(_UNFINISHED, {"after_position": after, "at_most": limit})
    return list(filter(None, (find_redaction(*row) for row in rows)))


_UNFINISHED = (
    select(log.c.position, log.c.type, log.c.workspace, log.c.ticket, log.c.data)
    .where(log.c.erased_to.is_not(None), log.c.position > bindparam("after_position"))
    .order_by(log.c.position)
    .limit(bindparam("at_most", type_=Integer))
)


def erase_entries(tx: Connection, position: int) -> ErasedSlice:
    """Erase as much of what the event at `position` demands as a slice allows."""
    acquire_advisory_lock(tx, "erasure")
    row = tx.execute(_SELECT_ERASURE, {"at_position": position}).one_or_none()
    if row is None or (redaction := find_redaction(*row[:5])) is None:
        return ErasedSlice(True, [])
    deadline, causes, cursor = Deadline(), list[str](), row.erased_to
    while cursor < position:
        entries, cursor = _read_page(tx, redaction, cursor)
        causes += _redact_page(tx, redaction, entries)
        if deadline.has_passed:
            break
    tx.execute(_UPDATE_ERASED_TO, {"at_position": position, "reached": cursor})
    return ErasedSlice(cursor >= position, causes)


_SELECT_ERASURE = select(
    log.c.position, log.c.type, log.c.workspace, log.c.ticket, log.c.data, log.c.erased_to
).where(log.c.position == bindparam("at_position"), log.c.erased_to.is_not(None))
_UPDATE_ERASED_TO = (
    update(log)
    .where(log.c.position == bindparam("at_position"))
    .values(erased_to=bindparam("reached"))
)


def finish_erasure(tx: Connection, position: int) -> None:
    """Record that nothing remains of what the event at `position` demands."""
    tx.execute(_UPDATE_ERASED_TO, {"at_position": position, "reached": None})


def _read_page(tx: Connection, redaction: Redaction, cursor: int) -> tuple[Sequence[Any], int]:
    """Return the next entries after `cursor` that may mention the target, and the new cursor."""
    query = _SELECT_ENTRIES.where(log.c.position > cursor)
    if redaction.rule.scope == "log":
        end = min(cursor + STRETCH, redaction.position)
        names_target = log.c.data.contains(redaction.target, autoescape=True)
        return tx.execute(query.where(log.c.position <= end, names_target)).all(), end
    end = redaction.position
    page = tx.execute(_where_in_scope(query, redaction).limit(PAGE_SIZE)).all()
    return page, page[-1].position if len(page) == PAGE_SIZE else end


_SELECT_ENTRIES = select(
    log.c.position, log.c.type, log.c.workspace, log.c.data, log.c.channels, log.c.cause
)


def _where_in_scope(query: Select[Any], redaction: Redaction) -> Select[Any]:
    query = query.where(log.c.position <= redaction.position).order_by(log.c.position)
    if redaction.rule.scope == "ticket":
        # Not its workspace too: SQLite would read the whole workspace from the other index.
        return query.where(log.c.ticket == redaction.ticket)
    return query.where(log.c.workspace == redaction.workspace)


def _redact_page(tx: Connection, redaction: Redaction, entries: Sequence[Any]) -> list[str]:
    """Rewrite the entries; return what led to them."""
    changes, causes = list[dict[str, Any]](), list[str]()
    for entry in entries:
        is_itself = entry.position == redaction.position
        is_elsewhere = redaction.rule.scope == "ticket" and entry.workspace != redaction.workspace
        if is_elsewhere or (is_itself and not redaction.rule.is_of_itself):
            continue
        data = redaction.rule.redact(entry.type, entry.data, redaction.target)
        if data is not None:
            channels = "[]" if data == ERASED else entry.channels
            changes.append({"of": entry.position, "redacted": data, "for": channels})
        if entry.cause is not None and (data is not None or entry.data == ERASED):
            causes.append(entry.cause)
    if changes:
        tx.execute(_UPDATE_ENTRY, changes)
    return causes


_UPDATE_ENTRY = (
    update(log)
    .where(log.c.position == bindparam("of"))
    .values(data=bindparam("redacted"), channels=bindparam("for"))
)

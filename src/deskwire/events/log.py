"""Append events to the log and read them, in the order in which they became visible.

Actions `append` in the transaction that changes their rows. Positions have no gaps and become
visible in order: SQLite's single writer numbers them, and a rolled-back transaction returns its
numbers. On PostgreSQL, events wait in the `outbox` until `sequencer` has numbered them after the
commit. An action never uses its position; a page reads the position first and its rows afterwards.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from sys import intern
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Select,
    Table,
    Text,
    bindparam,
    func,
    insert,
    literal,
    null,
    select,
    text,
    union_all,
)

from deskwire.events.channels import Channel, Workspace
from deskwire.events.cursor import Cursor
from deskwire.events.frames import event_frame
from deskwire.events.redaction import ERASED, Redactions, find_redaction
from deskwire.events.types.registry import Event
from deskwire.kit.clock import Millis, now
from deskwire.kit.db import BigId, execute_raw_sql, is_postgresql, metadata, on_commit
from deskwire.kit.rows import fetch_all

MAX_POSITION = 2**62  # above every position


def _event_columns() -> list[Column[Any]]:
    """Return the columns that the log and the outbox share."""
    return [
        Column("type", Text, nullable=False),
        Column("at", BigInteger, nullable=False),  # ms; when it was appended
        Column("workspace", Text),
        Column("actor", Text, nullable=False),
        Column("cause", Text),  # what led to it, e.g. "delivery:ID"
        Column("channels", Text, nullable=False),  # JSON list
        Column("touches", Text, nullable=False),  # JSON list: channels whose listeners may change
        Column("data", Text, nullable=False),  # JSON object on one line
        Column("ticket", Text),  # id of the ticket it is about
        # Of an event that demands an erasure: the entries up to this position are done. None: no
        # erasure is demanded, or it is finished. Until then, readers redact what it demands.
        Column("erased_to", BigInteger),
    ]


log = Table(
    "log",
    metadata,
    Column("position", BigId, primary_key=True, autoincrement=True),
    *_event_columns(),
    Index("ix_log_workspace_position", "workspace", "position"),
    Index("ix_log_cause", "cause"),
    Index(
        "ix_log_ticket_position",
        "ticket",
        "position",
        sqlite_where=text("ticket IS NOT NULL"),
        postgresql_where=text("ticket IS NOT NULL"),
    ),
    Index(
        "ix_log_erased_to",
        "position",
        sqlite_where=text("erased_to IS NOT NULL"),
        postgresql_where=text("erased_to IS NOT NULL"),
    ),
    Index(
        "ix_log_requests_position",
        "position",
        sqlite_where=text("workspace LIKE 'org:%'"),
        postgresql_where=text("workspace LIKE 'org:%'"),
    ),
    sqlite_autoincrement=True,  # or positions are used again after trimming
)

outbox = Table(  # always empty on SQLite
    "outbox",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    *_event_columns(),
    Index("ix_outbox_cause", "cause"),
    sqlite_autoincrement=True,
)

log_state = Table(
    "log_state",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("epoch", Text, nullable=False),
    Column("floor", BigInteger, nullable=False),  # entries at or before it were trimmed
)


class LogRow:
    """A row of `log` (a view for `kit.rows`)."""

    position: int
    type: str
    at: Millis
    workspace: Workspace | None
    actor: str
    cause: str | None
    channels: str
    touches: str
    data: str
    ticket: str | None
    erased_to: int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One event in the log, with its frame encoded once for all streams."""

    position: int
    type: str
    channels: tuple[Channel, ...]
    access_changes: tuple[Channel, ...]
    workspace: Workspace | None
    at: Millis
    frame: bytes
    ticket: str | None = None


class OutboxPending:
    """Signals the bus, on commit, that the outbox holds events to number."""


OUTBOX_PENDING = OutboxPending()


@dataclass(frozen=True, slots=True)
class CausedEvent:
    """An event with a known cause; without a position while it waits in the outbox."""

    type: str
    channels: tuple[Channel, ...]
    position: int | None


@dataclass(frozen=True, slots=True)
class AppendedRow:
    """A row just written, passed to the bus on commit; its frame is encoded then."""

    position: int
    type: str
    channels: tuple[Channel, ...]
    access_changes: tuple[Channel, ...]
    workspace: Workspace | None
    at: Millis
    data: str
    ticket: str | None

    def to_entry(self, epoch: str) -> Entry:
        """Return the entry for this row."""
        frame = event_frame(Cursor(epoch, self.position), self.type, self.data, self.at)
        return Entry(
            self.position,
            self.type,
            self.channels,
            self.access_changes,
            self.workspace,
            self.at,
            frame,
            self.ticket,
        )


def append(
    tx: Connection,
    event: Event,
    *,
    channels: Iterable[Channel],
    access_changes: Iterable[Channel] = (),
    cause: str | None = None,
    at: Millis | None = None,
) -> None:
    """Add `event` to the log inside the transaction `tx`.

    `channels` says who it is for. `access_changes` names channels whose listeners may gain or lose
    access by it (a person's own channel where the person is known): their streams are suspended at
    this entry until they are authorized again. `cause` is what led to it. `at` defaults to now.

    An event that says that something was deleted or edited also demands the erasure of its traces
    (`events/erasure.py`). One that is for no one is about something deleted: its data is not kept.
    """
    unique_channels = tuple(intern(name) for name in dict.fromkeys(channels))
    unique_changes = tuple(intern(name) for name in dict.fromkeys(access_changes))
    time = now() if at is None else at
    data = event.model_dump_json(by_alias=True, exclude_unset=True) if unique_channels else ERASED
    ticket: str | None = getattr(event, "ticket", None)
    demanded = find_redaction(0, event.type, event.workspace, ticket, data)
    row = {
        "type": event.type,
        "at": time,
        "workspace": event.workspace,
        "actor": event.actor,
        "cause": cause,
        "channels": json.dumps(unique_channels),
        "touches": json.dumps(unique_changes),
        "data": data,
        "ticket": ticket,
        "erased_to": None if demanded is None else 0,
    }
    if is_postgresql(tx):
        tx.execute(_INSERT_OUTBOX, row)
        on_commit(tx, OUTBOX_PENDING)
        return
    position = execute_raw_sql(tx, _INSERT_LOG, tuple(row.values())).lastrowid
    on_commit(
        tx,
        AppendedRow(
            position,
            event.type,
            unique_channels,
            unique_changes,
            event.workspace,
            time,
            data,
            ticket,
        ),
    )


# Written out: building it with SQLAlchemy costs twice what the database takes to run it.
_INSERT_LOG = (
    "INSERT INTO log (type, at, workspace, actor, cause, channels, touches, data, ticket, "
    "erased_to) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_OUTBOX = insert(outbox).inline()


def read_epoch(tx: Connection) -> str:
    """Return the log's epoch (8 hex digits)."""
    return str(tx.execute(select(log_state.c.epoch)).scalar_one())


def begin_epoch(tx: Connection) -> str:
    """Give the log a new epoch: when it is created, and when it was restored from a backup."""
    epoch = secrets.token_hex(4)
    if tx.execute(log_state.update().values(epoch=epoch)).rowcount == 0:
        tx.execute(insert(log_state).values(id=1, epoch=epoch, floor=0))
    return epoch


def read_redactions(tx: Connection) -> Redactions:
    """Return what the unfinished erasures demand of the entries that this transaction reads."""
    demands = (find_redaction(*row) for row in tx.execute(DEMANDS))
    return Redactions(filter(None, demands))


# The events that demand an unfinished erasure, also those of the outbox: they follow all that the
# same snapshot shows of the log.
DEMANDS = union_all(
    *(
        select(
            position.label("position"), each.c.type, each.c.workspace, each.c.ticket, each.c.data
        ).where(each.c.erased_to.is_not(None))
        for each, position in ((log, log.c.position), (outbox, literal(MAX_POSITION, BigInteger)))
    )
)


def check_writable(tx: Connection) -> None:
    """Insert a row and delete it again. Raises OperationalError if the database is not writable.

    An update that changes nothing would not suffice: SQLite writes no page for it. On PostgreSQL
    the row goes where the events of an action go.
    """
    if is_postgresql(tx):
        id_ = -1 - secrets.randbelow(2**62)  # of its own: processes do not wait for each other
        row = dict.fromkeys(("type", "actor", "channels", "touches", "data"), "")
        tx.execute(insert(outbox).values(id=id_, at=0, **row))
        tx.execute(outbox.delete().where(outbox.c.id == id_))
        return
    tx.execute(insert(log_state).values(id=0, epoch="", floor=0))
    tx.execute(log_state.delete().where(log_state.c.id == 0))


def read_head(tx: Connection) -> int:
    """Return the position of the newest entry; 0 in an empty log."""
    newest = tx.execute(select(func.max(log.c.position))).scalar_one()
    return int(newest or tx.execute(select(log_state.c.floor)).scalar_one())


def read_after(tx: Connection, position: int, limit: int) -> list[Entry]:
    """Return up to `limit` entries after `position`, oldest first."""
    query = select(log).where(log.c.position > position).order_by(log.c.position).limit(limit)
    return _read_entries(tx, query)


def read_latest(tx: Connection, limit: int) -> list[Entry]:
    """Return the newest `limit` entries, oldest first."""
    newest = select(log.c.position).order_by(log.c.position.desc()).limit(limit).subquery()
    first = select(func.min(newest.c.position)).scalar_subquery()
    return _read_entries(tx, select(log).where(log.c.position >= first).order_by(log.c.position))


def list_caused_events(tx: Connection, cause: str) -> list[CausedEvent]:
    """Return the events that `cause` led to, including those without a position yet."""
    rows = tx.execute(_EVENTS_OF_CAUSE, {"by": cause})
    return [CausedEvent(row.type, tuple(json.loads(row.channels)), row.position) for row in rows]


def has_caused_events(tx: Connection, cause: str) -> bool:
    """Whether `cause` has led to any event."""
    return tx.execute(_EVENTS_OF_CAUSE, {"by": cause}).first() is not None


# One statement, so that an event moving from the outbox to the log is seen in exactly one.
_EVENTS_OF_CAUSE = union_all(
    select(log.c.position, log.c.type, log.c.channels).where(log.c.cause == bindparam("by")),
    select(null(), outbox.c.type, outbox.c.channels).where(outbox.c.cause == bindparam("by")),
)


def count_outbox(tx: Connection) -> int:
    """Return the number of events without a position."""
    return int(tx.execute(select(func.count()).select_from(outbox)).scalar_one())


def read_buffer(tx: Connection, limit: int) -> tuple[list[Entry], int]:
    """Return the newest `limit` entries and the head, from one snapshot."""
    return read_latest(tx, limit), read_head(tx)


def parse_entries(epoch: str, rows: Iterable[LogRow], redactions: Redactions) -> list[Entry]:
    """Return rows of the log as entries, in the given order, redacted."""
    return [_parse_entry(epoch, row, redactions) for row in rows]


def _parse_entry(epoch: str, row: LogRow, redactions: Redactions) -> Entry:
    data = redactions.redact(row.position, row.type, row.workspace, row.ticket, row.data)
    channels = () if data == ERASED else json.loads(row.channels)
    return AppendedRow(
        row.position,
        row.type,
        tuple(intern(name) for name in channels),
        tuple(intern(name) for name in json.loads(row.touches)),
        row.workspace,
        row.at,
        data,
        row.ticket,
    ).to_entry(epoch)


def _read_entries(tx: Connection, query: Select[Any]) -> list[Entry]:
    return parse_entries(read_epoch(tx), fetch_all(tx, query, LogRow), read_redactions(tx))

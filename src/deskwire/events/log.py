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
    ColumnElement,
    Connection,
    Index,
    Integer,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    null,
    select,
    text,
    union_all,
    update,
)

from deskwire.events.channels import Channel, Workspace
from deskwire.events.cursor import Cursor
from deskwire.events.frames import event_frame
from deskwire.events.redaction import WORKSPACE_REDACTED_PREFIX, RedactionRule, redact_message
from deskwire.events.types.registry import Event
from deskwire.kit.clock import Millis, now
from deskwire.kit.db import BigId, execute_raw_sql, is_postgresql, metadata, on_commit
from deskwire.kit.rows import fetch_all

MAX_CLOCK_SKEW = 60_000  # ms by which the clocks of one installation may differ


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
    ]


log = Table(
    "log",
    metadata,
    Column("position", BigId, primary_key=True, autoincrement=True),
    *_event_columns(),
    Index("ix_log_workspace_position", "workspace", "position"),
    Index("ix_log_cause", "cause"),
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


class WorkspaceEntryColumns:
    """The columns that `list_workspace_entries` reads of `log`."""

    position: int
    type: str
    data: str
    at: Millis
    channels: str


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
    """
    unique_channels = tuple(intern(name) for name in dict.fromkeys(channels))
    unique_changes = tuple(intern(name) for name in dict.fromkeys(access_changes))
    time = now() if at is None else at
    data = event.model_dump_json(by_alias=True, exclude_unset=True)
    row = {
        "type": event.type,
        "at": time,
        "workspace": event.workspace,
        "actor": event.actor,
        "cause": cause,
        "channels": json.dumps(unique_channels),
        "touches": json.dumps(unique_changes),
        "data": data,
    }
    if is_postgresql(tx):
        tx.execute(_INSERT_OUTBOX, row)
        on_commit(tx, OUTBOX_PENDING)
        return
    position = execute_raw_sql(tx, _INSERT_LOG, tuple(row.values())).lastrowid
    on_commit(
        tx,
        AppendedRow(
            position, event.type, unique_channels, unique_changes, event.workspace, time, data
        ),
    )


# Written out: building it with SQLAlchemy costs twice what the database takes to run it.
_INSERT_LOG = (
    "INSERT INTO log (type, at, workspace, actor, cause, channels, touches, data) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
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


def redact_entries(
    tx: Connection,
    workspace: Workspace | None,
    target_id: str,
    *,
    since: Millis,
    rule: RedactionRule = redact_message,
) -> None:
    """Redact a message, or another target by another `rule`, in the log; positions are kept.

    `workspace` is None for all workspaces. `since` is when the target was created: no older entry
    can mention it. The buffers of all processes do the same when they receive the event that says
    so (`events/redaction.py`).
    """
    # The outbox first: an event that moves to the log meanwhile is then found there.
    for table, key in ((outbox, outbox.c.id), (log, log.c.position)):
        query = select(key, table.c.data).where(
            table.c.at >= since - MAX_CLOCK_SKEW, table.c.data.contains(target_id, autoescape=True)
        )
        if workspace is not None:
            query = query.where(table.c.workspace == workspace)
        rows = tx.execute(query).all()
        for row_key, data in rows:
            if (redacted := rule(data, target_id)) is not None:
                tx.execute(table.update().where(key == row_key).values(data=redacted))


def redact_workspace(tx: Connection, workspace: Workspace) -> None:
    """Remove the channels and the data of all events of a workspace's tickets; positions are kept.

    As with `redact_entries`, the buffers of all processes follow.
    """
    for table in (outbox, log):
        is_ticket_event = table.c.type.startswith(WORKSPACE_REDACTED_PREFIX, autoescape=True)
        condition = and_(table.c.workspace == workspace, is_ticket_event)
        tx.execute(update(table).where(condition).values(channels="[]", data='{"redacted":true}'))


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


def list_workspace_entries(
    tx: Connection, workspace: Workspace | None, channels: frozenset[Channel], limit: int
) -> list[WorkspaceEntryColumns]:
    """Return the newest entries on any of `channels`, newest first.

    `workspace` is None for all organizations. A viewer who hears less than a tenth of the events
    gets a shorter list than `limit`.
    """
    query = (
        select(log.c.position, log.c.type, log.c.data, log.c.at, log.c.channels)
        .where(_IS_ORGANIZATION if workspace is None else log.c.workspace == workspace)
        .where(log.c.channels != "[]")  # or the entries of deleted organizations fill the limit
        .order_by(log.c.position.desc())
        .limit(limit * 10)  # rows
    )
    rows = fetch_all(tx, query, WorkspaceEntryColumns)
    visible = [row for row in rows if not channels.isdisjoint(json.loads(row.channels))]
    return visible[:limit]


# A literal, not a bound parameter: otherwise the partial index is not used.
_IS_ORGANIZATION: ColumnElement[bool] = log.c.workspace.like(literal_column("'org:%'"))


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


def parse_entries(epoch: str, rows: Iterable[LogRow]) -> list[Entry]:
    """Return rows of the log as entries, in the given order."""
    return [
        AppendedRow(
            row.position,
            row.type,
            tuple(intern(name) for name in json.loads(row.channels)),
            tuple(intern(name) for name in json.loads(row.touches)),
            row.workspace,
            row.at,
            row.data,
        ).to_entry(epoch)
        for row in rows
    ]


def _read_entries(tx: Connection, query: Select[Any]) -> list[Entry]:
    return parse_entries(read_epoch(tx), fetch_all(tx, query, LogRow))

"""The log: every event that happened, in the order it became visible, for good.

Actions `append` in the transaction that changes their rows. Positions are dense and visible in
order: SQLite's one writer numbers them, and a rolled-back transaction gives its numbers back. On
PostgreSQL events wait in the `outbox` until `sequencer` has numbered them after the commit.
An action never uses its position; who renders reads the position first and the rows after.
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
    Row,
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

MAX_CLOCK_SKEW = 60_000  # ms two clocks of one desk may differ


def _event_columns() -> list[Column[Any]]:
    """The columns of an event, whether it has a position yet or not."""
    return [
        Column("type", Text, nullable=False),
        Column("at", BigInteger, nullable=False),  # ms; when it was appended
        Column("workspace", Text),
        Column("actor", Text, nullable=False),
        Column("cause", Text),  # what brought it about, e.g. "delivery:ID"
        Column("channels", Text, nullable=False),  # JSON list
        Column("touches", Text, nullable=False),  # JSON list: channels whose audience may change
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
    sqlite_autoincrement=True,  # or trimming the log would hand out positions twice
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


@dataclass(frozen=True, slots=True)
class Entry:
    """One event in the log, with its frame of bytes made once for all who hear it."""

    position: int
    type: str
    channels: tuple[Channel, ...]
    access_changes: tuple[Channel, ...]
    workspace: Workspace | None
    at: Millis
    frame: bytes


class OutboxPending:
    """Noted for the bus where events wait in the outbox: there is something to number."""


OUTBOX_PENDING = OutboxPending()


@dataclass(frozen=True, slots=True)
class CausedEvent:
    """An event that something brought about; without a position while it waits in the outbox."""

    type: str
    channels: tuple[Channel, ...]
    position: int | None


@dataclass(frozen=True, slots=True)
class AppendedRow:
    """A row just written, noted for the bus; its frame is made after the commit."""

    position: int
    type: str
    channels: tuple[Channel, ...]
    access_changes: tuple[Channel, ...]
    workspace: Workspace | None
    at: Millis
    data: str

    def to_entry(self, epoch: str) -> Entry:
        """This row as every reader of the log sees it."""
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

    `channels`: who it is for. `touches`: channels whose listeners may gain or lose access by it
    (a person's own channel where the person is known); their streams fall silent at this entry
    until `access` has been asked again.
    """
    audience = tuple(intern(name) for name in dict.fromkeys(channels))
    touched = tuple(intern(name) for name in dict.fromkeys(access_changes))
    moment = now() if at is None else at
    data = event.model_dump_json(by_alias=True, exclude_unset=True)
    row = {
        "type": event.type,
        "at": moment,
        "workspace": event.workspace,
        "actor": event.actor,
        "cause": cause,
        "channels": json.dumps(audience),
        "touches": json.dumps(touched),
        "data": data,
    }
    if is_postgresql(tx):
        tx.execute(_INSERT_OUTBOX, row)
        on_commit(tx, OUTBOX_PENDING)
        return
    position = execute_raw_sql(tx, _INSERT_LOG, tuple(row.values())).lastrowid
    on_commit(
        tx, AppendedRow(position, event.type, audience, touched, event.workspace, moment, data)
    )


# Not built by SQLAlchemy, which costs twice what the database itself takes for it.
_INSERT_LOG = (
    "INSERT INTO log (type, at, workspace, actor, cause, channels, touches, data) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_OUTBOX = insert(outbox).inline()


def read_epoch(tx: Connection) -> str:
    """This log's epoch (8 hex digits)."""
    return str(tx.execute(select(log_state.c.epoch)).scalar_one())


def begin_epoch(tx: Connection) -> str:
    """Give the log a new epoch: at its birth, and when it is restored from a copy."""
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
    """Take what entries tell of a message, or by another `rule`, out of the log; they keep their
    positions.

    `workspace`: None for all. `since`: when it was written, the earliest anything can have told of
    it. The windows of all processes do the same when they hear of it (`events/redaction.py`).
    """
    # This way round an event that is numbered meanwhile is found, there or here.
    for table, key in ((outbox, outbox.c.id), (log, log.c.position)):
        chosen = select(key, table.c.data).where(
            table.c.at >= since - MAX_CLOCK_SKEW, table.c.data.contains(target_id, autoescape=True)
        )
        if workspace is not None:
            chosen = chosen.where(table.c.workspace == workspace)
        rows = tx.execute(chosen).all()
        for place, data in rows:
            if (kept := rule(data, target_id)) is not None:
                tx.execute(table.update().where(key == place).values(data=kept))


def redact_workspace(tx: Connection, workspace: Workspace) -> None:
    """Send nobody any more what was told of a workspace's tickets, and forget it; the entries keep
    their positions. As with `redact`, the windows follow."""
    for table in (outbox, log):
        theirs = table.c.type.startswith(WORKSPACE_REDACTED_PREFIX, autoescape=True)
        here = and_(table.c.workspace == workspace, theirs)
        tx.execute(update(table).where(here).values(channels="[]", data='{"redacted":true}'))


def check_writable(tx: Connection) -> None:
    """Write something and take it back: it fails where nothing can be written.

    An update that changes nothing would not do; SQLite writes no page for it.
    """
    tx.execute(insert(log_state).values(id=0, epoch="", floor=0))
    tx.execute(log_state.delete().where(log_state.c.id == 0))


def read_head(tx: Connection) -> int:
    """The position of the newest entry, 0 in an empty log."""
    newest = tx.execute(select(func.max(log.c.position))).scalar_one()
    return int(newest or tx.execute(select(log_state.c.floor)).scalar_one())


def read_after(tx: Connection, position: int, limit: int) -> list[Entry]:
    """Up to `limit` entries after `position`, oldest first."""
    rows = tx.execute(
        select(log).where(log.c.position > position).order_by(log.c.position).limit(limit)
    )
    return _parse_entries_here(tx, rows)


def read_latest(tx: Connection, limit: int) -> list[Entry]:
    """The newest `limit` entries, oldest first."""
    newest = select(log.c.position).order_by(log.c.position.desc()).limit(limit).subquery()
    first = select(func.min(newest.c.position)).scalar_subquery()
    rows = tx.execute(select(log).where(log.c.position >= first).order_by(log.c.position))
    return _parse_entries_here(tx, rows)


def list_workspace_entries(
    tx: Connection, workspace: Workspace | None, channels: frozenset[Channel], limit: int
) -> list[Any]:
    """The newest entries (position, type, data, at) of a workspace, or of all organizations
    (None), on channels in `heard`."""
    rows = tx.execute(
        select(log.c.position, log.c.type, log.c.data, log.c.at, log.c.channels)
        .where(_IS_ORGANIZATION if workspace is None else log.c.workspace == workspace)
        .where(log.c.channels != "[]")  # a deleted organization's would leave room for nothing else
        .order_by(log.c.position.desc())
        .limit(limit * 10)  # rows; a viewer who hears less than a tenth sees a shorter list
    )
    visible = [row for row in rows if not channels.isdisjoint(json.loads(row.channels))]
    return visible[:limit]


# Written out, not bound: only so the index over their entries alone is seen to fit.
_IS_ORGANIZATION: ColumnElement[bool] = log.c.workspace.like(literal_column("'org:%'"))


def list_caused_events(tx: Connection, cause: str) -> list[CausedEvent]:
    """The events that `cause` brought about, also those that have no position yet."""
    rows = tx.execute(_EVENTS_OF_CAUSE, {"by": cause})
    return [CausedEvent(row.type, tuple(json.loads(row.channels)), row.position) for row in rows]


def has_caused_events(tx: Connection, cause: str) -> bool:
    """Whether `cause` has brought about anything yet."""
    return tx.execute(_EVENTS_OF_CAUSE, {"by": cause}).first() is not None


# One statement, so that an event on its way from one to the other is seen in exactly one.
_EVENTS_OF_CAUSE = union_all(
    select(log.c.position, log.c.type, log.c.channels).where(log.c.cause == bindparam("by")),
    select(null(), outbox.c.type, outbox.c.channels).where(outbox.c.cause == bindparam("by")),
)


def count_outbox(tx: Connection) -> int:
    """How many events have no position yet."""
    return int(tx.execute(select(func.count()).select_from(outbox)).scalar_one())


def read_buffer(tx: Connection, limit: int) -> tuple[list[Entry], int]:
    """The newest `limit` entries and the head, of one moment."""
    return read_latest(tx, limit), read_head(tx)


def parse_entries(epoch: str, rows: Iterable[Row[Any]]) -> list[Entry]:
    """Rows of the log as entries, in the order they come."""
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


def _parse_entries_here(tx: Connection, rows: Iterable[Row[Any]]) -> list[Entry]:
    return parse_entries(read_epoch(tx), rows)

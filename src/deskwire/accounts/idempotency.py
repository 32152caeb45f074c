"""Remember calls by their `Idempotency-Key`, so that a repeated call takes effect once.

    (no row) → running → done → (no row, after a day)
                  └────→ (no row): the call failed, and may be tried again

Follows draft-ietf-httpapi-idempotency-key-header. A row stores what committed as a status and an
id, never a text: a repeated call is rendered again, with the caller's permissions at that time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    and_,
    delete,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from deskwire.events.channels import SubjectId
from deskwire.kit.clock import DAY, SECOND, Millis
from deskwire.kit.db import is_postgresql, metadata
from deskwire.kit.errors import Conflict, Invalid
from deskwire.kit.rows import fetch_first

State = Literal["running", "done"]

RETENTION = DAY  # ms for which the result of a call is kept
LEASE = 60 * SECOND  # ms after which a running call counts as lost with its server
RETRY_AFTER = 1  # s after which to ask again for the result of a running call

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("subject", Text, primary_key=True),  # a person's id, or `key:ID`
    Column("route", Text, primary_key=True),  # method and path
    Column("key", Text, primary_key=True),  # as the caller sent it
    Column("body_hash", Text, nullable=False),
    Column("state", Text, nullable=False),  # State
    Column("status", Integer),  # of the response; None while running
    Column("made_id", Text),  # of what was created or changed; None while running
    Column("ticket", Text),  # whose path was called; its erasure deletes this row
    Column("started_at", BigInteger, nullable=False),  # ms
    Index("ix_idempotency_keys_started_at", "started_at"),
    Index("ix_idempotency_keys_ticket", "ticket"),
    Index("ix_idempotency_keys_made_id", "made_id"),
)
columns = idempotency_keys.c


class IdempotencyKeyRow:
    """A row of `idempotency_keys`."""

    subject: SubjectId
    route: str
    key: str
    body_hash: str
    state: State
    status: int | None
    made_id: str | None
    ticket: str | None
    started_at: Millis


class CallInProgress(Conflict):
    """The same call is still running; its result is there after `RETRY_AFTER` seconds."""


class KeyReused(Invalid):
    """The key was sent before, with another body."""


@dataclass(frozen=True, slots=True)
class KeyedCall:
    """One try of a call with a key; `started_at` (ms) tells it from other tries."""

    subject: SubjectId
    route: str
    key: str
    body_hash: str
    ticket: str | None
    started_at: Millis


@dataclass(frozen=True, slots=True)
class RecordedResult:
    """What an earlier call with the same key came to."""

    status: int
    made_id: str


def begin_call(tx: Connection, call: KeyedCall) -> RecordedResult | None:
    """Record that a call is running, and return None; or return what it came to before.

    Commit this before the action begins: others find the row. Raises CallInProgress and KeyReused.
    """
    fields = {
        "body_hash": call.body_hash,
        "state": "running",
        "status": None,
        "made_id": None,
        "ticket": call.ticket,
        "started_at": call.started_at,
    }
    names = {"subject": call.subject, "route": call.route, "key": call.key}
    dialect = postgresql if is_postgresql(tx) else sqlite
    insert = dialect.insert(idempotency_keys).on_conflict_do_nothing()
    # Not by `rowcount`, which SQLAlchemy does not know (-1) after an INSERT on PostgreSQL.
    if tx.execute(insert.returning(columns.key), {**names, **fields}).first() is not None:
        return None
    query = select(idempotency_keys).where(_is_key_of(call)).with_for_update()
    row = fetch_first(tx, query, IdempotencyKeyRow)
    if row is None:  # the call that was running has failed at this moment
        raise _in_progress_error()
    if row.started_at <= call.started_at - (RETENTION if row.state == "done" else LEASE):
        tx.execute(update(idempotency_keys).where(_is_key_of(call)).values(fields))
        return None
    if row.body_hash != call.body_hash:
        message = "This Idempotency-Key was sent before with another body. Choose a new key."
        raise KeyReused(message)
    if row.state == "running" or row.status is None or row.made_id is None:
        raise _in_progress_error()
    return RecordedResult(row.status, row.made_id)


def finish_call(tx: Connection, call: KeyedCall, result: RecordedResult) -> None:
    """Record what a call came to, in the transaction of its action.

    Raises CallInProgress if another try has taken over because this one took longer than the lease:
    this transaction must be rolled back, or both would take effect.
    """
    values = {"state": "done", "status": result.status, "made_id": result.made_id}
    if tx.execute(update(idempotency_keys).where(_is_try(call)).values(values)).rowcount != 1:
        raise _in_progress_error()


def abandon_call(tx: Connection, call: KeyedCall) -> None:
    """Forget a call that failed, so that it may be tried again. Does nothing if it committed."""
    tx.execute(delete(idempotency_keys).where(_is_try(call)))


def delete_old_calls(tx: Connection, cutoff: Millis, limit: int) -> int:
    """Delete up to `limit` calls that started before a time; return how many."""
    key = (columns.subject, columns.route, columns.key)
    old = select(*key).where(columns.started_at <= cutoff).limit(limit)
    return tx.execute(delete(idempotency_keys).where(tuple_(*key).in_(old))).rowcount


def delete_calls_of_ticket(tx: Connection, ticket_id: str) -> None:
    """Delete the calls that created a ticket or anything in it, or changed it."""
    is_of_ticket = or_(columns.ticket == ticket_id, columns.made_id == ticket_id)
    tx.execute(delete(idempotency_keys).where(is_of_ticket))


def _is_key_of(call: KeyedCall) -> ColumnElement[bool]:
    return and_(
        columns.subject == call.subject, columns.route == call.route, columns.key == call.key
    )


def _is_try(call: KeyedCall) -> ColumnElement[bool]:
    """Match the row while this very try is running."""
    is_running = and_(columns.state == "running", columns.started_at == call.started_at)
    return and_(_is_key_of(call), is_running)


def _in_progress_error() -> CallInProgress:
    return CallInProgress(
        "A call with this Idempotency-Key is still running. Send it again after a second to get "
        "its result."
    )

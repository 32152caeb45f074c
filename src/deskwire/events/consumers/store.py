"""Declare what a consumer is, and the tables of its cursor and of the events set aside."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from deskwire.events.channels import Channel, Workspace
from deskwire.events.log import read_epoch, read_head
from deskwire.kit.clock import Millis
from deskwire.kit.db import is_postgresql, metadata

CONSUMERS_TOPIC = "deskwire_consumers"  # woken when an operator changed a consumer
CONSUMERS_CHANGED_TOPIC = "deskwire_consumers_changed"  # … or one set an event aside, for pages

consumers = Table(
    "consumers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("epoch", Text, nullable=False),  # of the log, when events were last planned
    Column("position", BigInteger, nullable=False),  # of the last event planned or set aside
    Column("stopped", Boolean, nullable=False),  # by an operator
    Column("lost", BigInteger, nullable=False),  # events trimmed from the log before their turn
    Column("last_error", Text),
    Column("last_error_at", BigInteger),  # ms
)

failures = Table(
    "consumer_failures",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("ticket", Text),  # later events of this ticket wait behind it
    Column("tries", Integer, nullable=False),  # 0: it only waits behind another
    Column("due_at", BigInteger, nullable=False),  # ms; not planned again before
    Column("error", Text),  # type and place of an exception, never its text; None while it waits
    Index("ix_consumer_failures_consumer_ticket_position", "consumer", "ticket", "position"),
    Index("ix_consumer_failures_consumer_due_at", "consumer", "due_at"),
)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as a consumer reads it, redacted as for every reader."""

    position: int
    type: str
    at: Millis
    workspace: Workspace | None
    actor: str
    cause: str | None
    channels: tuple[Channel, ...]
    data: str  # JSON object
    ticket: str | None

    def parse_data(self) -> dict[str, Any]:
        """Return the event's fields, by their names on the wire."""
        fields: dict[str, Any] = json.loads(self.data)
        return fields


PlanFunction = Callable[[Connection, Sequence[LoggedEvent]], None]


@dataclass(frozen=True, slots=True)
class Consumer:
    """A durable reader of the log.

    `plan` gets events in log order, only those of `types`, and none that was erased. It runs in a
    savepoint: what it wrote before it raised is undone.
    """

    name: str
    types: frozenset[str]
    plan: PlanFunction


class ConsumerRow:
    """A row of `consumers` (a view for `kit.rows`)."""

    name: str
    epoch: str
    position: int
    stopped: bool
    lost: int
    last_error: str | None
    last_error_at: Millis | None


class ConsumerFailureRow:
    """A row of `consumer_failures` (a view for `kit.rows`)."""

    consumer: str
    position: int
    ticket: str | None
    tries: int
    due_at: Millis
    error: str | None


def register_consumers(tx: Connection, names: Collection[str]) -> None:
    """Add the consumers that the database does not know yet; they start at the head of the log."""
    known = set(tx.execute(select(consumers.c.name)).scalars())
    missing = [name for name in names if name not in known]
    if not missing:
        return
    row = {"epoch": read_epoch(tx), "position": read_head(tx), "stopped": False, "lost": 0}
    dialect = postgresql if is_postgresql(tx) else sqlite
    query = dialect.insert(consumers).on_conflict_do_nothing()  # another process may be faster
    tx.execute(query, [{"name": name, **row} for name in missing])


def read_slowest_position(tx: Connection) -> int | None:
    """Return the position that every running consumer has reached; None if none is running."""
    query = select(func.min(consumers.c.position)).where(consumers.c.stopped.is_(False))
    position: int | None = tx.execute(query).scalar_one()
    return position


def find_consumers_behind(tx: Connection, names: Collection[str], at: Millis) -> list[str]:
    """Return those of `names` that have events to plan, or to retry, by now."""
    parameters = {"head": read_head(tx), "by": at}
    behind = set(tx.execute(_BEHIND, parameters).scalars())
    return [name for name in names if name in behind]


_earlier = failures.alias("earlier")
# The first of its ticket: the others wait behind it.
IS_FIRST_OF_TICKET = ~exists().where(
    _earlier.c.consumer == failures.c.consumer,
    _earlier.c.ticket == failures.c.ticket,
    _earlier.c.position < failures.c.position,
)
_BEHIND = select(consumers.c.name).where(
    consumers.c.stopped.is_(False),
    or_(
        consumers.c.position != bindparam("head"),
        exists().where(
            and_(
                failures.c.consumer == consumers.c.name,
                failures.c.due_at <= bindparam("by"),
                IS_FIRST_OF_TICKET,
            )
        ),
    ),
)

"""Define the tables of tickets, their readers and their participants.

A ticket is one conversation to be solved. Its workspace alone decides who may see it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)

from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata
from deskwire.tickets.statuses import ENDED_STATUSES, Status

_OPEN_REQUEST_SQL = (
    "deleted_at IS NULL AND workspace LIKE 'org:%' AND status NOT IN ('canceled', 'done')"
)

tickets = Table(
    "tickets",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7
    Column("workspace", Text, nullable=False),
    Column("number", Integer, nullable=False),  # the sender's number if it is free
    Column("sender_id", BigInteger),  # the sender's own id
    Column("subject", Text),  # None until an event carries it
    Column("status", Text, nullable=False),
    Column("opener", Text),  # principal
    Column("assignee", Text),  # principal
    Column("priority", Text),
    Column("tags", Text, nullable=False),  # JSON list, sorted
    Column("messages", Integer, nullable=False),  # public replies
    Column("opened_at", BigInteger, nullable=False),  # ms
    Column("active_at", BigInteger, nullable=False),  # ms; the newest change or message
    Column("closed_at", BigInteger),  # ms
    Column("deleted_at", BigInteger),  # ms
    Column("category", Text),  # id in the organization's `categories`
    Column("spoken_at", BigInteger),  # ms; newest public reply
    Column("spoken_by", Text),  # principal; the author of that reply
    Column("revision", Integer, nullable=False, server_default="0"),
    UniqueConstraint("workspace", "number"),
    UniqueConstraint("workspace", "sender_id"),
    # Each tab in each sort order reads its page from an index, and only the rows it shows.
    *(
        Index(
            "_".join(("ix_tickets", *columns)),
            *columns,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        )
        for columns in (
            ("workspace", "active_at", "id"),
            ("workspace", "opened_at", "id"),
            ("workspace", "status", "active_at", "id"),
            ("workspace", "status", "opened_at", "id"),
            ("workspace", "status", "number", "id"),
            ("workspace", "assignee", "active_at", "id"),
            ("workspace", "opener", "active_at", "id"),
            ("workspace", "category", "active_at", "id"),
        )
    ),
    # The staff's list of the requests of all organizations.
    *(
        Index(
            "_".join(("ix_tickets_requests", *columns)),
            *columns,
            sqlite_where=text("deleted_at IS NULL AND workspace LIKE 'org:%'"),
            postgresql_where=text("deleted_at IS NULL AND workspace LIKE 'org:%'"),
        )
        for columns in (
            ("active_at", "id"),
            ("opened_at", "id"),
            ("status", "active_at", "id"),
            ("assignee", "active_at", "id"),
        )
    ),
    # Count the open requests of each assignee from the index alone. For that, SQLite needs every
    # column that the statement names, `deleted_at` too.
    Index(
        "ix_tickets_open",
        *("assignee", "workspace", "status", "deleted_at"),
        sqlite_where=text(_OPEN_REQUEST_SQL),
        postgresql_where=text(_OPEN_REQUEST_SQL),
    ),
)


class TicketRow:
    """A row of `tickets` (kit/rows.py)."""

    id: str
    workspace: str
    number: int
    sender_id: int | None
    subject: str | None
    status: Status
    opener: str | None
    assignee: str | None
    priority: str | None
    tags: str
    messages: int
    opened_at: Millis
    active_at: Millis
    closed_at: Millis | None
    deleted_at: Millis | None
    category: str | None
    spoken_at: Millis | None
    spoken_by: str | None
    revision: int


# Literals, not bound parameters: the planner matches a partial index against literals only.
IS_REQUEST: ColumnElement[bool] = tickets.c.workspace.like(literal_column("'org:%'"))
IS_OPEN: ColumnElement[bool] = tickets.c.status.not_in(
    [literal_column(f"'{status}'") for status in sorted(ENDED_STATUSES)]
)

reads = Table(
    "reads",
    metadata,
    Column("ticket", Text, primary_key=True),
    Column("person", Text, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("at", BigInteger, nullable=False),  # ms; replies up to this time are read
    Index("ix_reads_person", "person"),
)

participants = Table(
    "participants",
    metadata,
    Column("ticket", Text, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("role", Text, nullable=False),  # opener, author, added, watcher
    Index("ix_participants_principal", "principal"),
    Index(  # those of a deleted organization are found without reading all of its tickets
        "ix_participants_added",
        "ticket",
        sqlite_where=text("role = 'added'"),
        postgresql_where=text("role = 'added'"),
    ),
)


class ParticipantRow:
    """A row of `participants` (kit/rows.py)."""

    ticket: str
    principal: str
    role: str


# Counted per organization: one counter for all would reveal to a client how busy the others are.
request_numbers = Table(
    "request_numbers",
    metadata,
    Column("organization", Text, primary_key=True),
    Column("last", Integer, nullable=False),
)

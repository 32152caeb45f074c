"""Tickets: one conversation to be solved, in the workspace that alone decides who may see it."""

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

from deskwire.kit.db import metadata
from deskwire.tickets.statuses import ENDED_STATUSES

_OPEN_REQUEST_SQL = (
    "deleted_at IS NULL AND workspace LIKE 'org:%' AND status NOT IN ('canceled', 'done')"
)

tickets = Table(
    "tickets",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7
    Column("workspace", Text, nullable=False),
    Column("number", Integer, nullable=False),  # the sender's where it is free
    Column("sender_id", BigInteger),  # the sender's own id
    Column("subject", Text),  # None until an event tells it
    Column("status", Text, nullable=False),
    Column("opener", Text),  # principal
    Column("assignee", Text),  # principal
    Column("priority", Text),
    Column("tags", Text, nullable=False),  # JSON list, sorted
    Column("messages", Integer, nullable=False),  # public replies
    Column("opened_at", BigInteger, nullable=False),  # ms
    Column("active_at", BigInteger, nullable=False),  # ms; newest thing that happened to it
    Column("closed_at", BigInteger),  # ms
    Column("deleted_at", BigInteger),  # ms
    Column("category", Text),  # of the workspace's `categories`
    Column("spoken_at", BigInteger),  # ms; newest public reply
    Column("spoken_by", Text),  # principal; who wrote it
    Column("revision", Integer, nullable=False, server_default="0"),
    UniqueConstraint("workspace", "number"),
    UniqueConstraint("workspace", "sender_id"),
    # Every tab in every order reads its page from an index, and no more of it than is shown.
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
    # The team's list of all companies' requests.
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
    # How many open ones each assignee has, without a look at the rows: SQLite asks for every
    # column that the statement names, `deleted_at` too.
    Index(
        "ix_tickets_open",
        *("assignee", "workspace", "status", "deleted_at"),
        sqlite_where=text(_OPEN_REQUEST_SQL),
        postgresql_where=text(_OPEN_REQUEST_SQL),
    ),
)

# Written out, not bound: only so an index over them alone is seen to fit.
IS_REQUEST: ColumnElement[bool] = tickets.c.workspace.like(literal_column("'org:%'"))
IS_OPEN: ColumnElement[bool] = tickets.c.status.not_in(
    [literal_column(f"'{status}'") for status in sorted(ENDED_STATUSES)]
)

# How far somebody has read a ticket.
reads = Table(
    "reads",
    metadata,
    Column("ticket", Text, primary_key=True),
    Column("person", Text, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("at", BigInteger, nullable=False),  # ms; replies up to here
    Index("ix_reads_person", "person"),
)

participants = Table(
    "participants",
    metadata,
    Column("ticket", Text, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("role", Text, nullable=False),  # opener, added, watcher
    Index("ix_participants_principal", "principal"),
)


# Counted per organization: a number of the whole desk would tell each client how busy others are.
request_numbers = Table(
    "request_numbers",
    metadata,
    Column("organization", Text, primary_key=True),
    Column("last", Integer, nullable=False),
)

"""Mail that is to be sent: rows written in the transaction of their cause, sent afterwards."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from deskwire.kit.db import BigId, metadata

mails = Table(
    "mails",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("tries", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),  # ms; not tried before
    Column("sent_at", BigInteger),  # ms
    Column("failed_at", BigInteger),  # ms; given up
    Column("problem", Text),  # of the last try
    Index("ix_mails_due_at", "due_at"),
    sqlite_autoincrement=True,
)

"""Invitations into an organization: bound to an address, proven by a link, over after a while."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text

from deskwire.kit.db import metadata

invitations = Table(
    "invitations",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7
    Column("organization", Text, ForeignKey("organizations.id"), nullable=False),
    Column("email", Text, nullable=False),  # as `parse_email` gives it
    Column("role", Text, nullable=False),
    Column("token_hash", Text, nullable=False, unique=True),
    Column("invited_by", Text, nullable=False),  # person
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("expires_at", BigInteger, nullable=False),  # ms
    Column("accepted_at", BigInteger),  # ms
    Column("accepted_by", Text),  # person
    Column("revoked_at", BigInteger),  # ms
    Index("ix_invitations_organization", "organization"),
    Index("ix_invitations_email", "email"),
)

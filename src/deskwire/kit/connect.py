"""Which engine a database's URL names: SQLite, or PostgreSQL with a driver that is optional."""

from __future__ import annotations

from deskwire.kit.db import Database
from deskwire.kit.errors import Invalid
from deskwire.kit.sqlite import SCHEME, SQLite

INSTALL = "pip install 'deskwire[postgres]'"


def connect(url: str) -> Database:
    """The database `url` names; nothing is read or written yet. Raises Invalid with a sentence."""
    if url.startswith(SCHEME):
        return SQLite(url)
    try:
        from deskwire.kit.postgres import Postgres
    except ImportError:
        raise Invalid(
            f"DATABASE_URL names PostgreSQL, whose driver is not installed: {INSTALL}"
        ) from None
    return Postgres(url)

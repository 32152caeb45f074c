"""Which engine a database's URL names: SQLite, or PostgreSQL with a driver that is optional."""

from __future__ import annotations

from deskwire.kit.db import Database
from deskwire.kit.errors import Invalid
from deskwire.kit.sqlite import URL_PREFIX, SQLite

INSTALL_COMMAND = "pip install 'deskwire[postgres]'"


def connect_database(url: str) -> Database:
    """The database `url` names; nothing is read or written yet. Raises Invalid with a sentence."""
    if url.startswith(URL_PREFIX):
        return SQLite(url)
    try:
        from deskwire.kit.postgres import Postgres
    except ImportError:
        raise Invalid(
            f"DATABASE_URL names PostgreSQL, whose driver is not installed: {INSTALL_COMMAND}"
        ) from None
    return Postgres(url)

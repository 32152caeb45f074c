"""Connect to SQLite or PostgreSQL, whose driver is optional, depending on the URL."""

from __future__ import annotations

from deskwire.kit.db import Database
from deskwire.kit.errors import Invalid
from deskwire.kit.sqlite import URL_PREFIX, SQLite

INSTALL_COMMAND = "pip install 'deskwire[postgres]'"


def connect_database(url: str) -> Database:
    """Return the database at `url`. Nothing is connected, read or written yet.

    Raises Invalid if the URL is malformed or the PostgreSQL driver is not installed.
    """
    if url.startswith(URL_PREFIX):
        return SQLite(url)
    try:
        from deskwire.kit.postgres import Postgres
    except ImportError:
        raise Invalid(
            f"DATABASE_URL is a PostgreSQL URL, but the driver is not installed: {INSTALL_COMMAND}"
        ) from None
    return Postgres(url)

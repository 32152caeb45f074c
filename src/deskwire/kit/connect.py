"""Connect to SQLite or PostgreSQL, whose driver is optional, depending on the URL."""

from __future__ import annotations

from deskwire.kit.db import Database
from deskwire.kit.errors import Invalid
from deskwire.kit.optional_packages import POSTGRES_PACKAGE, install_command
from deskwire.kit.sqlite import URL_PREFIX, SQLite


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
            "DATABASE_URL is a PostgreSQL URL, but the driver is not installed: "
            f"{install_command(POSTGRES_PACKAGE)}"
        ) from None
    return Postgres(url)

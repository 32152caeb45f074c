"""Where the database is: what can be one, said before anything is written beside it."""

from __future__ import annotations

import os
from pathlib import Path

from deskwire.kit.errors import Invalid, NotFound
from deskwire.kit.sqlite import create_private_file

SQLITE_MAGIC = b"SQLite format 3\0"  # how every such file begins


def check_database_exists(path: Path) -> None:
    """Raises Invalid where no database can be read, NotFound where none was begun."""
    _check_is_sqlite_file(path)
    if not path.exists() or path.stat().st_size == 0:
        raise NotFound(
            f"There is no database at {path} yet: run `deskwire serve` or `deskwire migrate`, "
            "or set DATABASE_URL."
        )


def prepare_database_path(path: Path) -> None:
    """Raises Invalid where no database can be; makes the folder and an empty file where none is."""
    _check_is_sqlite_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        create_private_file(path)
    except OSError as error:
        raise Invalid(f"DATABASE_URL: {path} cannot be used: {error.strerror}.") from None
    if not os.access(path, os.R_OK | os.W_OK):
        raise Invalid(f"DATABASE_URL: {path} may not be written by this user.")
    if not os.access(path.parent, os.W_OK | os.X_OK):  # SQLite and the lock write beside it
        raise Invalid(f"DATABASE_URL: {path.parent} may not be written by this user.")


def _check_is_sqlite_file(path: Path) -> None:
    if path.is_dir():
        raise Invalid(f"DATABASE_URL: {path} is a folder; name a file in it.")
    if path.exists() and not path.is_file():
        raise Invalid(f"DATABASE_URL: {path} is not a file.")
    if path.exists() and path.stat().st_size:
        try:
            with path.open("rb") as file:
                begins = file.read(len(SQLITE_MAGIC))
        except OSError as error:
            raise Invalid(f"DATABASE_URL: {path} cannot be read: {error.strerror}.") from None
        if begins != SQLITE_MAGIC:
            raise Invalid(f"DATABASE_URL: {path} is not an SQLite database.")

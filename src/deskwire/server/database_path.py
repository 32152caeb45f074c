"""Check the path of the SQLite file before anything is written to it or beside it."""

from __future__ import annotations

import os
from pathlib import Path

from deskwire.kit.errors import Invalid, NotFound
from deskwire.kit.sqlite import create_private_file

SQLITE_MAGIC = b"SQLite format 3\0"  # the first bytes of every SQLite file


def check_database_exists(path: Path) -> None:
    """Check that there is a database at `path`.

    Raises Invalid if the path cannot be an SQLite file, NotFound if there is none or it is empty.
    """
    _check_is_sqlite_file(path)
    if not path.exists() or path.stat().st_size == 0:
        raise NotFound(
            f"There is no database at {path} yet: run `deskwire serve` or `deskwire migrate`, "
            "or set DATABASE_URL."
        )


def prepare_database_path(path: Path) -> None:
    """Create the folder and an empty file at `path`, if missing.

    Raises Invalid if the path cannot be an SQLite file, or is not writable.
    """
    _check_is_sqlite_file(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        create_private_file(path)
    except OSError as error:
        raise Invalid(f"DATABASE_URL: {path} cannot be used: {error.strerror}.") from None
    if not os.access(path, os.R_OK | os.W_OK):
        raise Invalid(f"DATABASE_URL: this user may not write to {path}.")
    if not os.access(path.parent, os.W_OK | os.X_OK):  # for the WAL and the lock file
        raise Invalid(f"DATABASE_URL: this user may not write to {path.parent}.")


def _check_is_sqlite_file(path: Path) -> None:
    if path.is_dir():
        raise Invalid(f"DATABASE_URL: {path} is a folder; give the path of a file in it.")
    if path.exists() and not path.is_file():
        raise Invalid(f"DATABASE_URL: {path} is not a file.")
    if path.exists() and path.stat().st_size:
        try:
            with path.open("rb") as file:
                magic = file.read(len(SQLITE_MAGIC))
        except OSError as error:
            raise Invalid(f"DATABASE_URL: {path} cannot be read: {error.strerror}.") from None
        if magic != SQLITE_MAGIC:
            raise Invalid(f"DATABASE_URL: {path} is not an SQLite database.")

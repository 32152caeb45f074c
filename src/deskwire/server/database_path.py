"""Check the path of the SQLite file before anything is written to it or beside it."""

from __future__ import annotations

import os
from pathlib import Path

from deskwire.kit.errors import Invalid, NotFound
from deskwire.kit.private_files import create_private_folder
from deskwire.kit.sqlite import create_database_file

SQLITE_MAGIC = b"SQLite format 3\0"  # the first bytes of every SQLite file
HEADER_SIZE = 100  # bytes; of the whole file's header
LARGEST_PAGE = 65_536  # bytes; written as 1, because the field has 16 bits


def check_database_exists(path: Path) -> None:
    """Check that there is a database at `path`.

    Raises Invalid if the path cannot be an SQLite file, or is not a whole one; NotFound if there
    is none.
    """
    _check_is_sqlite_file(path)
    if not path.exists():
        raise NotFound(
            f"There is no database at {path} yet: run `deskwire serve` or `deskwire migrate`, "
            "or set DATABASE_URL."
        )


def prepare_database_path(path: Path) -> None:
    """Create the folder and a database without tables at `path`, if missing.

    Raises Invalid if the path cannot be an SQLite file, is not a whole one, or is not writable.
    """
    _check_is_sqlite_file(path)
    try:
        create_private_folder(path.parent)
        create_database_file(path)
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
    if path.exists():
        _check_contents(path)


def _check_contents(path: Path) -> None:
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_SIZE)
        size = path.stat().st_size
    except OSError as error:
        raise Invalid(f"DATABASE_URL: {path} cannot be read: {error.strerror}.") from None
    if not header:
        raise Invalid(
            f"DATABASE_URL: {path} is an empty file, as a copy leaves it that was cut short. "
            "Restore a backup, or delete the file to begin a new desk."
        )
    if not header.startswith(SQLITE_MAGIC):
        raise Invalid(
            f"DATABASE_URL: {path} is not an SQLite database. "
            "Restore a backup, or set DATABASE_URL to another path."
        )
    expected_size = _read_expected_size(header)
    wal = path.with_name(path.name + "-wal")
    if size < expected_size and not wal.exists():  # with a WAL, the rest may be in there
        raise Invalid(
            f"DATABASE_URL: {path} is incomplete: it has {size:,} of {expected_size:,} bytes, as "
            "a copy leaves it that was cut short. Restore a backup."
        )


def _read_expected_size(header: bytes) -> int:
    """Return the size in bytes that the header states (https://sqlite.org/fileformat.html)."""
    if len(header) < HEADER_SIZE:
        return HEADER_SIZE
    if header[24:28] != header[92:96]:  # written by an SQLite that did not keep the page count
        return 0
    page_size = int.from_bytes(header[16:18])
    return int.from_bytes(header[28:32]) * (LARGEST_PAGE if page_size == 1 else page_size)

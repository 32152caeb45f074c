"""Lock an SQLite database for the one process that may write to it, and find that process.

The process that writes holds a lock on `DATABASE.lock`. A server also writes the address and the
secret of its control socket into that file, which only its owner can read.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import IO, Any

from deskwire.kit.errors import Conflict, Upstream
from deskwire.kit.private_files import create_private_folder
from deskwire.kit.sqlite import URL_PREFIX, parse_sqlite_path

LOCK_TIMEOUT = 3.0  # s; another command, or a server that is just starting, is done by then
POLL_INTERVAL = 0.02  # s between attempts to get the lock


class DatabaseLock:
    """The lock of the process that writes to the database; the kernel releases it at its end."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._file: IO[str] | None = None

    def acquire(self, timeout: float = LOCK_TIMEOUT) -> None:
        """Acquire the lock. Raises Conflict if another process still holds it after `timeout` s."""
        create_private_folder(self.path.parent)
        file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        deadline = time.monotonic() + timeout
        while not _try_lock(file, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                file.close()
                raise Conflict(
                    f"Another process is using this database ({self.path.with_suffix('')}). "
                    "Stop it first, or set DATABASE_URL to another one."
                )
            time.sleep(POLL_INTERVAL)
        self._file = file
        self._write("")

    def is_held(self) -> bool:
        """Whether a process holds the lock. Checking takes a shared lock for a moment only."""
        if not self.path.exists():
            return False
        with self.path.open() as file:
            return not _try_lock(file, fcntl.LOCK_SH)

    def write_address(self, address: dict[str, Any]) -> None:
        """Publish where the holder can be reached."""
        self._write(json.dumps(address))

    def release(self) -> None:
        """Release the lock, if it is held here."""
        if self._file is not None:
            self._write("")
            self._file.close()
            self._file = None

    def _write(self, text: str) -> None:
        if self._file is not None:
            self._file.seek(0)
            self._file.truncate()
            self._file.write(text)
            self._file.flush()


def read_server_url(database_url: str) -> str | None:
    """Return the URL of the server that holds this SQLite database; None if there is none.

    Always None for PostgreSQL, which several servers may share.
    """
    if not database_url.startswith(URL_PREFIX):
        return None
    lock = DatabaseLock(parse_sqlite_path(database_url))
    address = _parse_address(lock.path.read_bytes()) if lock.is_held() else None
    return (address or {}).get("url") or None


def read_address(database: Path) -> dict[str, Any] | None:
    """Return the control address (port, secret, pid, url) of the server that holds the lock.

    None if no process holds it. Raises Upstream if the holder publishes no address within
    LOCK_TIMEOUT.
    """
    lock = DatabaseLock(database)
    deadline = time.monotonic() + LOCK_TIMEOUT
    while lock.is_held():
        if (address := _parse_address(lock.path.read_bytes())) is not None:
            return address
        if time.monotonic() >= deadline:
            raise Upstream(
                "A server is just starting on this database; try again in a moment.",
                permanent=False,
            )
        time.sleep(POLL_INTERVAL)
    return None


def _parse_address(text: bytes) -> dict[str, Any] | None:
    """Parse a published address; None if it is empty or a killed process left it incomplete."""
    try:
        address = json.loads(text)
    except ValueError:
        return None
    is_complete = isinstance(address, dict) and {"port", "secret", "pid"} <= address.keys()
    return address if is_complete else None


def _try_lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

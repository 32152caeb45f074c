"""How the shell reaches a running server: the one process that may write to an SQLite file.

The server holds a lock on `DATABASE.lock` and writes its address and a secret into it, readable
by its owner only. A command that writes goes through that address if somebody holds the lock, and
opens the database itself if nobody does. One line of JSON each way, over loopback.
"""

from __future__ import annotations

import asyncio
import fcntl
import hmac
import json
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from deskwire.kit.errors import Conflict, Refusal, Upstream
from deskwire.kit.ids import new_secret
from deskwire.kit.sqlite import URL_PREFIX, parse_sqlite_path

COMMAND_TIMEOUT = 30.0  # s for one command
LOCK_TIMEOUT = 3.0  # s; another shell's command, or a server that just starts, is over by then
POLL_INTERVAL = 0.02  # s between two looks at the lock
MAX_LINE_BYTES = 1024 * 1024  # bytes

logger = logging.getLogger(__name__)

CommandRunner = Callable[[str, dict[str, Any]], Awaitable[Any]]


class DatabaseLock:
    """Held by the process that writes to the database; released when it ends, however it ends."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._file: IO[str] | None = None

    def acquire(self, timeout: float = LOCK_TIMEOUT) -> None:
        """Raises Conflict while another process holds it for longer than `patience` seconds."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        deadline = time.monotonic() + timeout
        while not _try_lock(file, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                file.close()
                raise Conflict(
                    f"Another process is serving this database ({self.path.with_suffix('')}). "
                    "Stop it first, or use another DATABASE_URL."
                )
            time.sleep(POLL_INTERVAL)
        self._file = file
        self._write("")

    def is_held(self) -> bool:
        """Whether some process holds it. Looking does not keep another from taking it for long."""
        if not self.path.exists():
            return False
        with self.path.open() as file:
            return not _try_lock(file, fcntl.LOCK_SH)

    def write_address(self, address: dict[str, Any]) -> None:
        """Say where the holder can be reached."""
        self._write(json.dumps(address))

    def release(self) -> None:
        """Let the next one have it."""
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


class ControlServer:
    """Answers the shell's commands in the serving process."""

    def __init__(self, lock: DatabaseLock, run_command: CommandRunner, url: str = "") -> None:
        self._lock = lock
        self._run_command = run_command
        self._url = url  # where the pages are
        self._secret = new_secret()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve_connection, "127.0.0.1", 0, limit=MAX_LINE_BYTES
        )
        port = self._server.sockets[0].getsockname()[1]
        address = {"port": port, "secret": self._secret, "pid": os.getpid(), "url": self._url}
        self._lock.write_address(address)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                asked = json.loads(await reader.readline())
                writer.write(json.dumps(await self._execute(asked)).encode() + b"\n")
                await writer.drain()
        except (ValueError, RecursionError, TimeoutError, ConnectionError):
            pass  # not one of our commands, or the shell has gone
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _execute(self, payload: object) -> dict[str, Any]:
        # Any process of this machine can connect, so nothing is believed before the secret is.
        if not isinstance(payload, dict) or not self._is_valid_secret(payload.get("secret")):
            return {"refused": "wrong secret"}
        command, arguments = payload.get("command"), payload.get("arguments")
        if not isinstance(command, str) or not isinstance(arguments, dict):
            return {"refused": "not a command"}
        try:
            return {"result": await self._run_command(command, arguments)}
        except Refusal as refusal:
            return {"refused": str(refusal)}
        except Exception:
            logger.exception("the shell's command %r broke", command)
            return {"refused": "The command broke in the server; its log says how."}

    def _is_valid_secret(self, given: object) -> bool:
        text = given if isinstance(given, str) else ""
        return hmac.compare_digest(text.encode("utf-8", "replace"), self._secret.encode())


def send_command(database: Path, command: str, arguments: dict[str, Any]) -> Any | None:  # noqa: ANN401
    """What the serving process answers, as {"result": …}; None where nobody serves.

    Raises Conflict with the server's own sentence where it refuses.
    """
    address = _read_address(database)
    if address is None:
        return None
    line = {"secret": address["secret"], "command": command, "arguments": arguments}
    try:
        with socket.create_connection(
            ("127.0.0.1", address["port"]), COMMAND_TIMEOUT
        ) as connection:
            connection.sendall(json.dumps(line).encode() + b"\n")
            with connection.makefile("rb") as file:
                reply = json.loads(file.readline())
    except (OSError, ValueError) as error:
        raise Upstream(
            f"The server (process {address['pid']}) holds the database but does not answer: "
            f"{error}. Try again, or stop it first.",
            permanent=False,
        ) from None
    if "refused" in reply:
        raise Conflict(reply["refused"])
    return reply


def read_server_url(database_url: str) -> str | None:
    """Where the pages of the process that serves this database are; None: nobody says so."""
    if not database_url.startswith(URL_PREFIX):
        return None  # several may
    lock = DatabaseLock(parse_sqlite_path(database_url))
    found = _parse_address(lock.path.read_bytes()) if lock.is_held() else None
    return (found or {}).get("url") or None


def _read_address(database: Path) -> dict[str, Any] | None:
    """Where the holder of the lock listens; None where nobody holds it."""
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
    """What `publish` wrote; None for nothing yet, and for what a killed process left unfinished."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    is_whole = isinstance(found, dict) and {"port", "secret", "pid"} <= found.keys()
    return found if is_whole else None


def _try_lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

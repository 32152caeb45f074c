"""Send admin commands to the serving process, the only one that may write to an SQLite file.

The server listens on a loopback port and publishes it, with a secret, in the database's lock file
(`database_lock`). Request and response are one line of JSON each.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from deskwire.kit.errors import Conflict, Refusal, Upstream
from deskwire.kit.ids import new_secret
from deskwire.server.database_lock import DatabaseLock, read_address

COMMAND_TIMEOUT = 30.0  # s per command, on both sides
STOP_TIMEOUT = 2.0  # s for running commands; `deskwire sql` changes rows for at most as long
MAX_LINE_BYTES = 1024 * 1024  # bytes

logger = logging.getLogger(__name__)

CommandRunner = Callable[[str, dict[str, Any]], Awaitable[Any]]


class ControlServer:
    """Run commands from the control socket in the serving process.

    `url` is where the pages are; it is published with the socket's address.
    """

    def __init__(self, lock: DatabaseLock, run_command: CommandRunner, url: str = "") -> None:
        self._lock = lock
        self._run_command = run_command
        self._url = url
        self._secret = new_secret()
        self._server: asyncio.Server | None = None
        self._running = set[asyncio.Task[None]]()  # a task for each command that is executed

    async def start(self) -> None:
        """Listen on a free loopback port and publish it."""
        self._server = await asyncio.start_server(
            self._serve_connection, "127.0.0.1", 0, limit=MAX_LINE_BYTES
        )
        port = self._server.sockets[0].getsockname()[1]
        address = {"port": port, "secret": self._secret, "pid": os.getpid(), "url": self._url}
        self._lock.write_address(address)

    async def stop(self) -> None:
        """Stop listening, and let running commands answer: without, people would repeat them."""
        if self._server is not None:
            self._server.close()
        if self._running:
            logger.info("waiting for %d admin commands before stopping", len(self._running))
            await asyncio.wait(self._running, timeout=STOP_TIMEOUT)

    async def _serve_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                payload = json.loads(await reader.readline())
                command = asyncio.create_task(self._answer(payload, writer))
                self._running.add(command)
                command.add_done_callback(self._running.discard)
                await command
        except (ValueError, RecursionError, TimeoutError, ConnectionError):
            pass  # not one of our commands, or the client is gone
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, payload: object, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(await self._execute(payload)).encode() + b"\n")
        await writer.drain()

    async def _execute(self, payload: object) -> dict[str, Any]:
        # Any local process can connect, so check the secret before anything else.
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
            logger.exception("the admin command %r failed", command)
            return {"refused": "The command failed in the server; see the server's log."}

    def _is_valid_secret(self, given: object) -> bool:
        text = given if isinstance(given, str) else ""
        return hmac.compare_digest(text.encode("utf-8", "replace"), self._secret.encode())


def send_command(database: Path, command: str, arguments: dict[str, Any]) -> Any | None:  # noqa: ANN401
    """Run a command in the serving process and return {"result": …}; None if no server is running.

    Raises Conflict with the server's message if it refuses, and Upstream if it does not answer.
    """
    address = read_address(database)
    if address is None:
        return None
    payload = {"secret": address["secret"], "command": command, "arguments": arguments}
    try:
        with socket.create_connection(
            ("127.0.0.1", address["port"]), COMMAND_TIMEOUT
        ) as connection:
            connection.sendall(json.dumps(payload).encode() + b"\n")
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

"""Test the control socket: strangers' input, and what a killed process leaves behind."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import anyio
import pytest

from deskwire.kit.errors import Upstream
from deskwire.server import database_lock
from deskwire.server.control import ControlServer, send_command
from deskwire.server.database_lock import DatabaseLock

pytestmark = pytest.mark.anyio


async def run(name: str, arguments: dict[str, Any]) -> Any:
    return [name, arguments]


async def reply_to(tmp_path: Path, line: str) -> Any:
    """Return the reply of the control socket to a line in which SECRET stands for the valid one."""
    lock = DatabaseLock(tmp_path / "desk.db")
    lock.acquire(0)
    server = ControlServer(lock, run)
    await server.start()
    try:
        published = json.loads(lock.path.read_text())
        reader, writer = await asyncio.open_connection("127.0.0.1", published["port"])
        writer.write(line.replace("SECRET", published["secret"]).encode() + b"\n")
        answer = await reader.readline()
        writer.close()
        await asyncio.sleep(0)  # what broke in there is logged once its task has ended
        return json.loads(answer) if answer else None
    finally:
        await server.stop()
        lock.release()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("[1]", {"refused": "wrong secret"}),
        ("null", {"refused": "wrong secret"}),
        ("{}", {"refused": "wrong secret"}),
        ('{"secret": "übung"}', {"refused": "wrong secret"}),
        ('{"secret": "\\ud800"}', {"refused": "wrong secret"}),
        ('{"secret": ["SECRET"]}', {"refused": "wrong secret"}),
        ('{"secret": "SECRET"}', {"refused": "not a command"}),
        ('{"secret": "SECRET", "command": [], "arguments": {}}', {"refused": "not a command"}),
        ('{"secret": "SECRET", "command": "a", "arguments": 1}', {"refused": "not a command"}),
        ('{"secret": "SECRET", "command": "a", "arguments": {}}', {"result": ["a", {}]}),
        ("no JSON", None),
        ("[" * 100_000, None),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_invalid_input_is_answered_or_dropped_without_a_traceback(
    line: str, answer: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    assert await reply_to(tmp_path, line) == answer

    assert not caplog.records


@pytest.mark.parametrize("left", [b"", b'{"port": 1', b"[1]", b"\xff", b'{"port": 1}'])
async def test_an_address_left_by_a_killed_process_is_ignored(
    left: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "desk.db"
    monkeypatch.setattr(database_lock, "LOCK_TIMEOUT", 0.0)
    lock = DatabaseLock(database)
    lock.acquire(0)
    lock.path.write_bytes(left)

    with pytest.raises(Upstream, match="try again in a moment"):
        send_command(database, "people.create", {})

    lock.release()
    lock.path.write_bytes(left)
    assert send_command(database, "people.create", {}) is None


async def test_a_command_running_at_shutdown_still_answers(tmp_path: Path) -> None:
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def run_slowly(name: str, arguments: dict[str, Any]) -> Any:
        has_begun.set()
        await may_end.wait()
        return [name, arguments]

    lock = DatabaseLock(tmp_path / "desk.db")
    lock.acquire(0)
    server = ControlServer(lock, run_slowly)
    await server.start()
    sender = asyncio.create_task(
        asyncio.to_thread(send_command, tmp_path / "desk.db", "people.create", {})
    )
    await has_begun.wait()

    stopping = asyncio.create_task(server.stop())
    await anyio.wait_all_tasks_blocked()
    is_waiting = not stopping.done()
    may_end.set()
    await stopping

    assert is_waiting
    assert await sender == {"result": ["people.create", {}]}
    lock.release()

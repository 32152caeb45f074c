"""Test a database that another program has locked: our errors say so, and no service breaks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert
from sqlalchemy.exc import OperationalError

from deskwire.kit import sqlite
from deskwire.kit.db import Database, execute_raw_sql, savepoint
from deskwire.kit.sqlite import SQLite, parse_sqlite_path
from deskwire.webhooks.deliveries import count_by_state, deliveries
from tests.fixtures.databases import create_database, sqlite_file
from tests.fixtures.hub import wait_until
from tests.fixtures.running_desk import open_running_desk

pytestmark = pytest.mark.database("sqlite")  # PostgreSQL locks rows and tables, not the database

GUILD = {
    "guildId": "800000000000000001",
    "guildName": "Harbour",
    "memberCount": 3,
    "ownerId": "900000000000000006",
}
BODY = {"event": {"type": "guild.joined", "data": GUILD}, "timestamp": "-", "id": "1"}
DELIVERY: dict[str, Any] = {
    "source": "bot",
    "digest": "d",
    "envelope_id": "1",
    "type": "guild.joined",
    "signed_at": 1,
    "received_at": 1,
    "body": json.dumps(BODY).encode(),
    "state": "pending",
    "reasons": "[]",
    "attempts": 0,
}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let another program hold the file, as somebody's shell with an open transaction does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 10)
    opened = create_database(tmp_path)
    yield opened
    opened.close()


def test_a_transaction_that_cannot_begin_raises_the_expected_error(db: Database) -> None:
    with locked(sqlite_file(db)), pytest.raises(OperationalError, match="locked"):
        db.write_sync(lambda tx: None)


async def test_a_raw_statement_raises_the_expected_error(db: Database) -> None:
    with locked(sqlite_file(db)), pytest.raises(OperationalError, match="locked"):
        await db.write_raw_sql("UPDATE log_state SET floor = ?", (1,))


async def test_checking_for_other_commits_raises_the_expected_error(
    tmp_path: Path,
) -> None:
    missing = SQLite(tmp_path / "missing" / "desk.db")

    with pytest.raises(OperationalError, match="unable to open"):
        await missing.read_data_version()

    missing.close()


def test_a_savepoint_that_cannot_be_released_raises_the_expected_error(
    db: Database,
) -> None:
    def lose_the_savepoint(tx: Connection) -> None:
        with savepoint(tx):
            execute_raw_sql(tx, "RELEASE SAVEPOINT deskwire", ())

    with pytest.raises(OperationalError, match="no such savepoint"):
        db.write_sync(lose_the_savepoint)


async def test_the_worker_waits_for_a_locked_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 10)
    async with open_running_desk(tmp_path) as desk:
        # Without an await in between, so that the worker does not see the delivery before the lock.
        desk.db.write_sync(lambda tx: tx.execute(insert(deliveries).values(DELIVERY)))
        with locked(parse_sqlite_path(desk.url)):
            await wait_until(lambda: caplog.text.count("deliveries wait") >= 2)
            assert "crashed" not in caplog.text
            assert desk.services.broken_services == set()

        desk.services.worker.wake()
        await desk.wait_until_idle()
        assert await desk.db.read(count_by_state) == {"done": 1}

"""Test savepoints: a failed one is rolled back alone, and its on-commit callbacks do not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from deskwire.kit.connect import connect_database
from deskwire.kit.db import Database, execute_raw_sql, on_commit, savepoint
from tests.fixtures.databases import create_database_url

COLUMNS = "number INTEGER, name TEXT"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = connect_database(create_database_url(tmp_path))
    database.write_sync(lambda tx: tx.exec_driver_sql(f"CREATE TABLE things ({COLUMNS})"))
    yield database
    database.close()


def write_down(tx: Connection, name: str) -> None:
    execute_raw_sql(tx, "INSERT INTO things VALUES (?, ?)", (len(read_things(tx)), name))
    on_commit(tx, name)


def write_with_a_failing_savepoint(tx: Connection) -> None:
    write_down(tx, "before")
    with suppress(LookupError), savepoint(tx):
        write_down(tx, "broken")
        raise LookupError
    with savepoint(tx):
        write_down(tx, "after")


def read_things(tx: Connection) -> list[str]:
    return [row[0] for row in tx.exec_driver_sql("SELECT name FROM things ORDER BY number")]


def test_an_exception_rolls_back_only_the_savepoint(db: Database) -> None:
    db.write_sync(write_with_a_failing_savepoint)

    assert db.read_sync(read_things) == ["before", "after"]


def test_on_commit_callbacks_of_a_rolled_back_savepoint_do_not_run(db: Database) -> None:
    heard: list[Any] = []
    db.set_commit_listener(heard.extend)

    db.write_sync(write_with_a_failing_savepoint)

    assert heard == ["before", "after"]

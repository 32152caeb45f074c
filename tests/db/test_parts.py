"""A part of a transaction is undone by itself, and nobody hears of what it noted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from deskwire.kit.db import Database, note, part


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'parts.db'}")
    database.write_here(lambda tx: tx.exec_driver_sql("CREATE TABLE things (name TEXT)"))
    yield database
    database.close()


def write_down(tx: Connection, name: str) -> None:
    tx.exec_driver_sql("INSERT INTO things VALUES (?)", (name,))
    note(tx, name)


def write_with_a_broken_part(tx: Connection) -> None:
    write_down(tx, "before")
    with suppress(LookupError), part(tx):
        write_down(tx, "broken")
        raise LookupError
    with part(tx):
        write_down(tx, "after")


def read_things(tx: Connection) -> list[str]:
    return [row[0] for row in tx.exec_driver_sql("SELECT name FROM things ORDER BY rowid")]


def test_a_part_that_raises_takes_only_its_own_rows_along(db: Database) -> None:
    db.write_here(write_with_a_broken_part)

    assert db.read_here(read_things) == ["before", "after"]


def test_nobody_hears_of_what_a_broken_part_noted(db: Database) -> None:
    heard: list[Any] = []
    db.subscribe(heard.extend)

    db.write_here(write_with_a_broken_part)

    assert heard == ["before", "after"]

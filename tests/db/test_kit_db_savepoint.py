"""A part of a transaction is undone by itself, and nobody hears of what it noted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from deskwire.kit.connect import connect
from deskwire.kit.db import Database, execute_plain, note, part
from tests.fixtures.databases import new_url

COLUMNS = "number INTEGER, name TEXT"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = connect(new_url(tmp_path))
    database.write_here(lambda tx: tx.exec_driver_sql(f"CREATE TABLE things ({COLUMNS})"))
    yield database
    database.close()


def write_down(tx: Connection, name: str) -> None:
    execute_plain(tx, "INSERT INTO things VALUES (?, ?)", (len(read_things(tx)), name))
    note(tx, name)


def write_with_a_broken_part(tx: Connection) -> None:
    write_down(tx, "before")
    with suppress(LookupError), part(tx):
        write_down(tx, "broken")
        raise LookupError
    with part(tx):
        write_down(tx, "after")


def read_things(tx: Connection) -> list[str]:
    return [row[0] for row in tx.exec_driver_sql("SELECT name FROM things ORDER BY number")]


def test_a_part_that_raises_takes_only_its_own_rows_along(db: Database) -> None:
    db.write_here(write_with_a_broken_part)

    assert db.read_here(read_things) == ["before", "after"]


def test_nobody_hears_of_what_a_broken_part_noted(db: Database) -> None:
    heard: list[Any] = []
    db.subscribe(heard.extend)

    db.write_here(write_with_a_broken_part)

    assert heard == ["before", "after"]

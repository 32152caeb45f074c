"""Databases for tests: of the kind the test is run with, SQLite or PostgreSQL.

The fixture `database` chooses; whoever makes a database asks here and never names an engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

import deskwire.schema as schema
from deskwire.events import log
from deskwire.events.bus.open_bus import number_alone
from deskwire.kit.connect import connect
from deskwire.kit.db import Database
from deskwire.kit.sqlite import SQLite
from tests.postgres import cluster

Kind = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")

_chosen: list[Kind] = ["sqlite"]


@contextmanager
def choosing(kind: Kind) -> Iterator[Kind]:
    """Every database made meanwhile is of this kind."""
    _chosen.append(kind)
    yield kind
    _chosen.pop()


def chosen() -> Kind:
    return _chosen[-1]


def new_url(folder: Path, name: str = "desk.db") -> str:
    """Where a new database is: a file in `folder` that is not there yet, or one on the server."""
    return f"sqlite:///{folder / name}" if chosen() == "sqlite" else cluster().migrated()


def new_database(folder: Path) -> Database:
    """A new database with every table; on PostgreSQL it numbers its own events, as the shell."""
    db = number_alone(connect(new_url(folder)))
    db.write_here(_create)
    return db


def _create(tx: Connection) -> None:
    if tx.dialect.name == "sqlite":
        schema.metadata.create_all(tx)
    log.begin_epoch(tx)


def file_of(db: Database) -> Path:
    """The file of an SQLite database."""
    assert isinstance(db, SQLite)
    return db.path

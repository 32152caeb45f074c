"""Open the bus of a database: in-process for SQLite, LISTEN/NOTIFY for PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.exc import SQLAlchemyError

from deskwire.events.bus import Bus
from deskwire.events.bus.memory import MemoryBus
from deskwire.events.bus.postgres import PostgresBus
from deskwire.events.sequencer import number_outbox
from deskwire.kit.db import Database
from deskwire.kit.sqlite import SQLite

if TYPE_CHECKING:  # its driver is optional
    from deskwire.kit.postgres import Postgres


NO_WAKE_CALLBACKS: Mapping[str, Callable[[], None]] = {}


def open_bus(
    db: Database,
    epoch: str,
    head: int,
    wake_callbacks: Mapping[str, Callable[[], None]] = NO_WAKE_CALLBACKS,
) -> Bus:
    """Return the bus of a serving process whose hub has every entry up to `head`.

    `wake_callbacks` are called by topic when a transaction of any process has woken that topic.
    """
    if isinstance(db, SQLite):
        return MemoryBus(epoch, wake_callbacks)
    return PostgresBus(_postgres(db), epoch, head, wake_callbacks)


def number_on_commit(db: Database) -> Database:
    """Make a process without a bus, such as the CLI, number the events it commits."""
    if isinstance(db, SQLite):
        return db
    postgres = _postgres(db)

    def number(_committed_items: Sequence[Any]) -> None:
        with suppress(SQLAlchemyError):  # it is committed; a serving process numbers it within 1 s
            postgres.write_dedicated_sync(number_outbox)

    db.set_commit_listener(number)
    return db


def _postgres(db: Database) -> Postgres:
    return cast("Postgres", db)

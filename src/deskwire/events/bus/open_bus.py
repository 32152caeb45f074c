"""Which bus a database has: within the process for SQLite, through the server for PostgreSQL."""

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
    """The bus of a serving process whose hub has everything up to `head`.

    `bells`: whom to call when a transaction has rung one of them, here or elsewhere.
    """
    if isinstance(db, SQLite):
        return MemoryBus(epoch, wake_callbacks)
    return PostgresBus(_postgres(db), head, wake_callbacks)


def number_on_commit(db: Database) -> Database:
    """Let a process without a bus, such as the shell, number what it commits by itself."""
    if isinstance(db, SQLite):
        return db
    shared = _postgres(db)

    def committed(_noted: Sequence[Any]) -> None:
        with suppress(SQLAlchemyError):  # it is committed; a serving process numbers it in a second
            shared.write_dedicated_sync(number_outbox)

    db.set_commit_listener(committed)
    return db


def _postgres(db: Database) -> Postgres:
    return cast("Postgres", db)

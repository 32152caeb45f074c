"""What the bot tests stand on: a real database and worker, and deliveries as a bot signs them.

Everything runs in one transaction that is never committed, so an example costs no fsync.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, select

from deskwire.events.sequencer import number
from deskwire.integrations.discord.sender import envelope, headers
from deskwire.integrations.discord.source import BotSource
from deskwire.kit.db import Database, is_shared
from deskwire.webhooks.deliveries import deliveries, keep
from deskwire.webhooks.source import Arrived
from deskwire.webhooks.source import check as check_by
from deskwire.webhooks.worker import Worker

NOON = 1_795_348_800_000  # ms; 2026-11-22T12:00:00Z
SECRET = "0123456789abcdef0123456789abcdef"

T = TypeVar("T")


class Told(NamedTuple):
    """One event of the bot, and when it signed it."""

    at: int
    type: str
    data: dict[str, Any]


class _Enough(Exception):
    """Ends a transaction without committing it."""


def imagine(db: Database, work: Callable[[Connection], T]) -> T:
    """What `work` returns in a transaction that is undone."""
    found: list[T] = []

    def attempt(tx: Connection) -> None:
        found.append(work(tx))
        raise _Enough

    try:
        db.write_here(attempt)
    except _Enough:
        return found[0]
    raise AssertionError("unreachable: attempt always raises")


def posted(told: Told, *, secret: str = SECRET, id_: str | None = None) -> Arrived:
    """`told` as the door lets it in."""
    body = envelope(told.type, told.data, told.at, id_)
    arrived = check(headers(secret, told.at, body), body, now=told.at)
    assert isinstance(arrived, Arrived), arrived
    return arrived


def check(sent: dict[str, str], body: bytes, *, now: int, secrets: Sequence[str] = (SECRET,)):
    claimed = [(name.encode(), value.encode()) for name, value in sent.items()]
    return check_by(BotSource(secrets), claimed, body, now)


def understand(db: Database, tx: Connection, arrived: Iterable[Arrived]) -> None:
    """Keep what arrived and have the worker handle all of it; its events are in the log."""
    keep(tx, list(arrived))
    worker = Worker(db, [BotSource([SECRET])], lambda: NOON)
    while worker.work_off(tx, 100):
        pass
    while is_shared(tx) and number(tx).entries:
        pass


def outcomes(tx: Connection) -> list[tuple[str, str]]:
    """State and reasons of every delivery, in order of arrival."""
    chosen = select(deliveries.c.state, deliveries.c.reasons).order_by(deliveries.c.id)
    return [(row.state, row.reasons) for row in tx.execute(chosen)]

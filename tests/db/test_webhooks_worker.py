"""Test the worker's batches: what is done before their transaction, and when they end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Connection

from deskwire.integrations.discord import translate
from deskwire.integrations.discord.samples import build_sample_data
from deskwire.integrations.discord.source import BotSource
from deskwire.kit.db import Database
from deskwire.kit.sqlite import SQLite
from deskwire.kit.strict_json import parse_json
from deskwire.tickets.prepared_text import prepare_text
from deskwire.webhooks import worker as worker_module
from deskwire.webhooks.deliveries import count_pending, store_deliveries
from deskwire.webhooks.worker import BATCH_TIME, POSTGRESQL_BATCH_TIME, Worker
from tests.fixtures.bot_deliveries import (
    NOON,
    SECRET,
    SignedEvent,
    accept_event,
    read_outcomes,
)
from tests.fixtures.databases import create_database

GUILD, USER = "1046123456789012345", "300000000000000001"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = create_database(tmp_path)
    yield db
    db.close()


def store_messages(db: Database, number: int) -> None:
    """Store deliveries of messages, one after the other in one ticket."""
    events = []
    for nth in range(number):
        data = build_sample_data(
            "ticket.message_sent",
            guild=GUILD,
            guild_name="Northwind",
            owner=USER,
            user=USER,
            username="ann",
            role="500000000000000001",
            role_name="Helpers",
            ticket=1,
        )
        data |= {"messageId": str(700000000000000000 + nth), "content": f"Message *{nth}*"}
        events.append(accept_event(SignedEvent(NOON + nth, "ticket.message_sent", data)))
    db.write_sync(store_deliveries, events)


async def run_until_applied(db: Database, worker: Worker) -> None:
    """Run the worker until it has counted the outcome of every pending delivery."""
    pending = await db.read(count_pending)
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        while sum(worker.outcomes.values()) < pending:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_delivery_is_validated_and_rendered_before_the_transaction(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    parse_payload = translate.parse_payload

    def note_thread(function):
        def noted(*args):
            threads.append(threading.current_thread().name.rpartition("_")[0])
            return function(*args)

        return noted

    monkeypatch.setattr(translate, "parse_payload", note_thread(parse_payload))
    monkeypatch.setattr(translate, "prepare_text", note_thread(prepare_text))
    monkeypatch.setattr(worker_module, "parse_json", note_thread(parse_json))
    store_messages(db, 3)

    worker = Worker(db, [BotSource([SECRET])], lambda: NOON, timer=lambda: 0.0)
    await run_until_applied(db, worker)

    assert threads == ["db-reader"] * 3 * 3
    assert [state for state, _ in db.read_sync(read_outcomes)] == ["done"] * 3


def batch_time(db: Database) -> float:
    return BATCH_TIME if isinstance(db, SQLite) else POSTGRESQL_BATCH_TIME


def test_a_batch_starts_no_delivery_after_its_time_limit(db: Database) -> None:
    store_messages(db, 5)
    times = count(0, batch_time(db) / 2)
    worker = Worker(db, [BotSource([SECRET])], lambda: NOON, timer=lambda: next(times))

    prepared = db.read_sync(worker.prepare_pending, 20)
    assert len(db.write_sync(worker.apply_pending, 20, prepared)) == 2
    assert db.read_sync(count_pending) == 3


def test_a_batch_applies_one_delivery_however_long_it_takes(db: Database) -> None:
    store_messages(db, 3)
    times = count(0, 100)
    worker = Worker(db, [BotSource([SECRET])], lambda: NOON, timer=lambda: next(times))

    prepared = db.read_sync(worker.prepare_pending, 20)
    assert len(db.write_sync(worker.apply_pending, 20, prepared)) == 1


async def test_all_deliveries_are_applied_over_several_short_batches(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "POLL_INTERVAL", 3600.0)  # s; none is left to a poll
    store_messages(db, 45)
    times = count(0, batch_time(db) / 2)
    worker = Worker(db, [BotSource([SECRET])], lambda: NOON, timer=lambda: next(times))

    await run_until_applied(db, worker)

    assert [state for state, _ in db.read_sync(read_outcomes)] == ["done"] * 45
    assert sum(worker.outcomes.values()) == 45


async def test_deliveries_wait_for_pending_direct_edits(db: Database) -> None:
    store_messages(db, 1)
    events: list[str] = []

    def is_blocked(_: Connection) -> bool:
        events.append("asked")
        return "unblocked" not in events

    async def unblock() -> None:
        assert await db.read(count_pending) == 1
        events.append("unblocked")

    source = [BotSource([SECRET])]
    worker = Worker(db, source, lambda: NOON, is_blocked=is_blocked, unblock=unblock)
    await run_until_applied(db, worker)

    assert events == ["asked", "unblocked", "asked"]


async def test_a_delivery_of_an_unknown_type_is_parked_with_its_reason(db: Database) -> None:
    event = accept_event(SignedEvent(NOON, "ticket.no_such_thing", {"guildId": GUILD}))
    db.write_sync(store_deliveries, [event])

    await run_until_applied(db, Worker(db, [BotSource([SECRET])], lambda: NOON))

    assert db.read_sync(read_outcomes) == [
        ("parked", "[\"unknown event type 'ticket.no_such_thing'\"]")
    ]

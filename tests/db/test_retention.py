"""Test retention: expired rows go, others stay, and a reader who is behind never gets a part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, update

from deskwire.events import log
from deskwire.events.retention import read_floor, trim_log
from deskwire.integrations.discord.sender import build_envelope, build_headers
from deskwire.kit.clock import DAY
from deskwire.kit.db import Database
from deskwire.realtime.buffer import EventBuffer
from deskwire.server.retention import BATCH_SIZE, Retention, RetentionDays
from deskwire.tickets.messages import messages
from deskwire.webhooks.deliveries import (
    DELIVERY_STATES,
    delete_settled,
    deliveries,
    dismiss,
    read_delivery,
    replay,
)
from deskwire.webhooks.source import IncomingDelivery, Rejection
from tests.fixtures.bot_deliveries import (
    NOON,
    SECRET,
    SignedEvent,
    accept_event,
    check_delivery,
    process_deliveries,
    read_outcomes,
)
from tests.fixtures.databases import create_database

GUILD = "800000000000000001"
TICKET = {"guildId": GUILD, "ticketId": 1001, "ticketNumber": 1}
SAID = {
    **TICKET,
    "messageId": "800000000000000077",
    "authorId": "900000000000000002",
    "authorUsername": "bo",
    "messageType": "customer",
    "hasAttachments": False,
    "messageLength": 5,
    "content": "Hello",
}
OPENED = {**TICKET, "subject": "Help", "openerId": "900000000000000002", "openerUsername": "bo"}
NEVER = 2**50  # ms; later than everything here


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = create_database(tmp_path)
    yield made
    made.close()


def fill_database(tx: Connection, *ages: int) -> None:
    """One entry for each age, in days before noon."""
    row = {"type": "guild.left", "actor": "bot", "channels": "[]", "touches": "[]", "data": "{}"}
    for age in ages:
        tx.execute(log.log.insert().values(**row, at=NOON - age * DAY))


def positions(tx: Connection) -> list[int]:
    return list(tx.execute(select(log.log.c.position).order_by(log.log.c.position)).scalars())


def insert_delivery(tx: Connection, state: str, age: int, number: int) -> int:
    """A delivery of that state, settled that many days before noon (a refused one has no time)."""
    at = NOON - age * DAY
    row = {"source": "bot", "digest": str(number), "body": b"{}", "reasons": "[]", "attempts": 1}
    values = {**row, "state": state, "signed_at": at, "received_at": at}
    values["handled_at"] = None if state in ("pending", "refused") else at
    key = tx.execute(deliveries.insert().values(values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def read_states(tx: Connection) -> list[str]:
    return sorted(tx.execute(select(deliveries.c.state)).scalars())


def test_trimming_stops_at_the_first_recent_entry(db: Database) -> None:
    db.write_sync(fill_database, 9, 8, 1, 8, 0)  # the fourth was appended while a clock stood wrong

    gone = db.write_sync(trim_log, NOON - 2 * DAY, 100)

    assert gone == 2
    assert db.read_sync(positions) == [3, 4, 5]
    assert (db.read_sync(read_floor), db.read_sync(log.read_head)) == (2, 5)


def test_a_batch_is_no_larger_than_requested(db: Database) -> None:
    db.write_sync(fill_database, *[9] * 5)

    assert [db.write_sync(trim_log, NOON, 2) for _ in range(4)] == [2, 2, 1, 0]
    assert db.read_sync(read_floor) == 5


def test_positions_are_not_reused_after_the_whole_log_was_trimmed(db: Database) -> None:
    db.write_sync(fill_database, 9, 9, 9)
    db.write_sync(trim_log, NOON, 100)
    assert (db.read_sync(positions), db.read_sync(log.read_head)) == ([], 3)

    db.write_sync(fill_database, 0)

    assert db.read_sync(positions) == [4]
    assert [entry.position for entry in db.read_sync(log.read_after, 0, 10)] == [4]


def test_only_settled_deliveries_are_deleted(db: Database) -> None:
    for number, state in enumerate(DELIVERY_STATES):
        db.write_sync(insert_delivery, state, 31, number)
        db.write_sync(insert_delivery, state, 29, 100 + number)

    while db.write_sync(delete_settled, NOON - 30 * DAY, 2):
        pass

    assert db.read_sync(read_states) == sorted([*DELIVERY_STATES, "parked", "pending"])


def test_retention_counts_from_the_dismissal_of_a_delivery(db: Database) -> None:
    lately, long_ago = (db.write_sync(insert_delivery, "parked", 90, number) for number in (1, 2))
    db.write_sync(dismiss, lately, NOON - DAY)
    db.write_sync(dismiss, long_ago, NOON - 40 * DAY)

    assert db.write_sync(delete_settled, NOON - 30 * DAY, 10) == 1
    assert db.read_sync(read_delivery, lately).state == "dismissed"


async def test_a_sweep_runs_several_batches_and_trims_the_buffer(
    db: Database,
) -> None:
    db.write_sync(fill_database, *[9] * (2 * BATCH_SIZE + 1), 0, 0)
    buffer = EventBuffer()
    buffer.load(db.read_sync(log.read_latest, 10_000), db.read_sync(log.read_head))

    await Retention(db, buffer, RetentionDays(log=2, deliveries=2), lambda: NOON).sweep()

    assert db.read_sync(positions) == [2 * BATCH_SIZE + 2, 2 * BATCH_SIZE + 3]
    assert buffer.floor == db.read_sync(read_floor) == 2 * BATCH_SIZE + 1
    assert [entry.position for entry in buffer.entries_after(buffer.floor)] == db.read_sync(
        positions
    )


async def test_0_days_keeps_everything(db: Database) -> None:
    db.write_sync(fill_database, 9_000)
    db.write_sync(insert_delivery, "done", 9_000, 1)

    await Retention(db, EventBuffer(), RetentionDays(log=0, deliveries=0), lambda: NOON).sweep()

    assert db.read_sync(positions) == [1]
    assert db.read_sync(read_states) == ["done"]


def test_the_buffer_keeps_entries_not_yet_published() -> None:
    buffer = EventBuffer()
    buffer.load([], 3)

    buffer.trim(7)

    assert (buffer.floor, buffer.head) == (3, 3)


def test_a_repeated_delivery_is_recognized_after_the_log_was_trimmed(db: Database) -> None:
    def live(tx: Connection) -> None:
        process_deliveries(db, tx, log_time_of(NOON))
        assert trim_log(tx, NEVER, 100) > 0

        process_deliveries(db, tx, log_time_of(NOON))  # the same bytes
        process_deliveries(db, tx, log_time_of(NOON + DAY))  # signed again under the same ids

        assert [state for state, _ in read_outcomes(tx)] == ["done", "done", "repeat", "repeat"]
        assert (count_replies(tx), positions(tx)) == (1, [])

    db.write_sync(live)


def test_a_message_sent_again_after_its_delivery_was_deleted_is_not_duplicated(
    db: Database,
) -> None:
    def live(tx: Connection) -> None:
        process_deliveries(db, tx, log_time_of(NOON - 40 * DAY))
        tx.execute(update(deliveries).values(handled_at=NOON - 40 * DAY))
        assert delete_settled(tx, NOON - 30 * DAY, 10) == 2
        assert trim_log(tx, NEVER, 100) > 0

        process_deliveries(db, tx, log_time_of(NOON)[1:])

        assert (count_replies(tx), positions(tx)) == (1, [])

    db.write_sync(live)


def test_a_body_whose_delivery_was_deleted_is_too_old_to_be_accepted_again() -> None:
    shortest, at = DAY, NOON  # DELIVERY_DAYS=1
    body = build_envelope("ticket.message_sent", SAID, at, "two")

    values = check_delivery(build_headers(SECRET, at, body), body, now=at + shortest)

    assert isinstance(values, Rejection)
    assert values.status == 401


def test_a_parked_delivery_is_replayed_after_the_log_was_trimmed(db: Database) -> None:
    def live(tx: Connection) -> None:
        process_deliveries(
            db, tx, [accept_event(SignedEvent(NOON, "ticket.sneezed", {"guildId": GUILD}))]
        )
        assert trim_log(tx, NEVER, 100) == 0
        tx.execute(update(deliveries).values(body=posted_body()))
        fill_database(tx, 9)
        assert trim_log(tx, NEVER, 100) == 1

        replay(tx, 1)
        process_deliveries(db, tx, [])

        assert [state for state, _ in read_outcomes(tx)] == ["done"]
        assert [each.type for each in log.list_caused_events(tx, "delivery:1")] == [
            "ticket.created"
        ]

    db.write_sync(live)


def posted_body() -> bytes:
    return accept_event(SignedEvent(NOON, "ticket.created", OPENED)).body


def log_time_of(at: int) -> list[IncomingDelivery]:
    """A ticket is opened and someone writes in it, each under an id of the sender's."""
    opened, event = (
        SignedEvent(at, "ticket.created", OPENED),
        SignedEvent(at + 1, "ticket.message_sent", SAID),
    )
    return [accept_event(opened, id_="one"), accept_event(event, id_="two")]


def count_replies(tx: Connection) -> int:
    chosen = select(func.count()).select_from(messages).where(messages.c.kind == "reply")
    return int(tx.execute(chosen).scalar_one())

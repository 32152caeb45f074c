"""Test several processes with several writers each on one PostgreSQL: as if run in sequence.

Every thread here has connections of its own, as another process would.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from deskwire.accounts import authentication, identities, links, passwords, people, rate_limit
from deskwire.accounts.authentication import Browser, SignInAttempt
from deskwire.events import log
from deskwire.events.sequencer import number_outbox
from deskwire.integrations.discord import translate
from deskwire.integrations.discord.samples import build_sample_data
from deskwire.integrations.discord.source import BotSource
from deskwire.kit.errors import Conflict, NotFound, RateLimited
from deskwire.kit.postgres import Postgres
from deskwire.tickets.messages import messages
from deskwire.tickets.tables import tickets
from deskwire.webhooks.deliveries import deliveries, store_deliveries
from deskwire.webhooks.source import Delivery
from deskwire.webhooks.worker import Worker
from deskwire.workspaces.organizations.organizations import organizations
from deskwire.workspaces.organizations.staff import upsert_staff_row
from tests.fixtures.bot_deliveries import NOON, SECRET, SignedEvent, accept_event
from tests.fixtures.postgres import get_server

pytestmark = pytest.mark.database("postgresql")

AT_ONCE = 8
VISIT = Browser("192.0.2.7", "a browser")
T = TypeVar("T")


@pytest.fixture
def url() -> str:
    return get_server().create_migrated()


@pytest.fixture
def db(url: str) -> Iterator[Postgres]:
    opened = Postgres(url)
    yield opened
    opened.close()


def all_at_once(url: str, work: Callable[[Postgres, int], T], times: int = AT_ONCE) -> list[Any]:
    """What `work` gives, or raises, in each of several processes that begin together."""
    begun = Barrier(times)

    def attempt(nth: int) -> Any:
        db = Postgres(url)
        try:
            db.read_sync(log.read_head)  # connected before the others begin
            begun.wait(10)
            return work(db, nth)
        except Exception as error:
            return error
        finally:
            db.close()

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(attempt, range(times)))


def message(number_: int, nth: int) -> dict[str, Any]:
    return {
        **build_sample_data("ticket.message_sent", ticket=number_, number=number_),
        "messageId": str(nth),
    }


def test_two_workers_apply_each_delivery_once(url: str, db: Postgres) -> None:
    revisions = [
        accept_event(
            SignedEvent(NOON + nth, "ticket.message_sent", message(1 + nth % 3, nth)), id_=str(nth)
        )
        for nth in range(60)
    ]
    again = [
        accept_event(
            SignedEvent(NOON + 99, "ticket.message_sent", message(1 + nth % 3, nth)), id_=str(nth)
        )
        for nth in range(0, 60, 7)
    ]

    def post_and_work(own: Postgres, nth: int) -> None:
        worker = Worker(own, [BotSource([SECRET])], lambda: NOON)
        own.write_sync(store_deliveries, (revisions if nth % 2 else again)[nth // 2 :: 2])
        while own.write_sync(worker.apply_pending, 5):
            pass

    assert all_at_once(url, post_and_work, 4) == [None] * 4

    states = db.read_sync(lambda tx: list(tx.execute(select(deliveries.c.state)).scalars()))
    written = db.read_sync(lambda tx: list(tx.execute(select(messages.c.sender_id)).scalars()))
    assert Counter(states) == {"done": 60, "repeat": len(again)}
    assert sorted(written, key=int) == [str(nth) for nth in range(60)]
    assert [e.type for e in db.write_dedicated_sync(number_outbox).entries] == [
        "ticket.message_sent"
    ] * 60


def test_a_delivery_committed_late_is_not_applied_after_a_later_one_of_its_id(
    url: str, db: Postgres
) -> None:
    """Its id is lower, but its transaction was the slower one."""
    first = accept_event(SignedEvent(NOON, "ticket.message_sent", message(1, 1)), id_="same")
    second = accept_event(SignedEvent(NOON + 1, "ticket.message_sent", message(1, 1)), id_="same")
    worker, other = Worker(db, [BotSource([SECRET])], lambda: NOON), Postgres(url)

    def slow(tx: Connection) -> None:
        store_deliveries(tx, [first])
        other.write_sync(store_deliveries, [second])
        assert len(other.write_sync(worker.apply_pending, 10)) == 1

    db.write_sync(slow)
    assert db.write_sync(worker.apply_pending, 10)

    states = select(deliveries.c.state).order_by(deliveries.c.id)
    assert db.read_sync(lambda tx: list(tx.execute(states).scalars())) == ["repeat", "done"]
    other.close()


def test_concurrent_events_of_one_ticket_are_applied_one_by_one(url: str, db: Postgres) -> None:
    def write(own: Postgres, nth: int) -> None:
        for each in range(5):
            id_ = nth * 100 + each
            event = {"type": "ticket.message_sent", "data": message(1, id_)}
            own.write_sync(translate.apply_delivery, Delivery(id_, NOON + id_, {"event": event}))
            moved = {
                "type": "ticket.claimed",
                "data": build_sample_data("ticket.claimed", ticket=1, number=1),
            }
            own.write_sync(translate.apply_delivery, Delivery(id_, NOON + id_, {"event": moved}))

    assert all_at_once(url, write) == [None] * AT_ONCE

    [row] = db.read_sync(lambda tx: tx.execute(select(tickets)).all())
    assert (row.messages, row.revision) == (AT_ONCE * 5, 1 + AT_ONCE * 10)
    entries = db.write_dedicated_sync(number_outbox).entries
    revisions = [entry.frame.decode().split('"revision":')[1].split(",")[0] for entry in entries]
    assert [int(each) for each in revisions] == list(range(2, AT_ONCE * 10 + 2)), (
        "in order of revision"
    )


def test_tickets_created_at_once_get_different_numbers(url: str, db: Postgres) -> None:
    def open_one(own: Postgres, nth: int) -> None:
        data = {**build_sample_data("ticket.created", number=1), "ticketId": 500 + nth}
        event = {"type": "ticket.created", "data": data}
        own.write_sync(translate.apply_delivery, Delivery(nth, NOON + nth, {"event": event}))

    assert all_at_once(url, open_one) == [None] * AT_ONCE

    numbers = db.read_sync(lambda tx: list(tx.execute(select(tickets.c.number)).scalars()))
    assert sorted(numbers) == list(range(1, AT_ONCE + 1))


def test_a_hundred_concurrent_attempts_do_not_bypass_the_rate_limit(url: str) -> None:
    def guess(own: Postgres, _nth: int) -> int:
        return own.write_sync(rate_limit.count_sign_in, "ada@desk.test", "192.0.2.7", NOON)

    answers = all_at_once(url, guess, 20)

    assert sum(isinstance(answer, int) for answer in answers) == rate_limit.RATE_LIMITS.per_email
    assert (
        sum(isinstance(answer, RateLimited) for answer in answers)
        == 20 - rate_limit.RATE_LIMITS.per_email
    )


@pytest.mark.parametrize("what", ["an address", "a Discord user"])
def test_of_concurrent_claims_of_a_unique_value_one_succeeds(
    url: str, db: Postgres, what: str
) -> None:
    made = [db.write_sync(people.create, name=f"P{n}", email=f"p{n}@desk.test") for n in range(8)]

    def take(own: Postgres, nth: int) -> None:
        if what == "an address":
            own.write_sync(people.create, name="Ada", email="ada@desk.test")
        else:
            own.write_sync(identities.link, made[nth].id, "discord", "900000000000000001")

    answers = all_at_once(url, take)

    assert answers.count(None) == 1
    assert sum(isinstance(answer, Conflict) for answer in answers) == AT_ONCE - 1


def test_the_internal_organization_is_created_once(url: str, db: Postgres) -> None:
    made = [db.write_sync(people.create, name=f"P{n}", email=f"p{n}@desk.test") for n in range(8)]

    def hire(own: Postgres, nth: int) -> None:
        own.write_sync(upsert_staff_row, made[nth].id, "support_analyst", NOON)

    assert all_at_once(url, hire) == [None] * AT_ONCE

    assert len(db.read_sync(lambda tx: tx.execute(select(organizations)).all())) == 1


def test_a_link_is_used_once(url: str, db: Postgres) -> None:
    person = db.write_sync(people.create, name="Ada", email="ada@desk.test", at=NOON)
    token = db.write_sync(links.issue, person.id, "reset", NOON)

    answers = all_at_once(url, lambda own, _: own.write_sync(links.redeem, token, ["reset"], NOON))

    assert sum(isinstance(answer, NotFound) for answer in answers) == AT_ONCE - 1


def test_a_session_begun_with_the_old_password_does_not_outlive_its_change(db: Postgres) -> None:
    person = db.write_sync(people.create, name="Ada", email="ada@desk.test", at=NOON)
    db.write_sync(passwords.store_hash, person.id, "old", NOON)
    attempt = SignInAttempt(0, "ada@desk.test", person.id, "old")
    changed, over = Event(), Event()

    def change(tx: Connection) -> None:
        assert authentication.change_password(tx, attempt, "new", VISIT, NOON) is not None
        changed.set()
        assert over.wait(10)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(db.write_sync, change)
        assert changed.wait(10)
        second = threads.submit(
            db.write_sync, authentication.complete_sign_in, attempt, VISIT, NOON
        )
        over.set()

        first.result(10)
        assert second.result(10) is None


def test_a_deadlocked_transaction_is_retried(url: str, db: Postgres) -> None:
    names = [db.write_sync(people.create, name=name, email=None).id for name in ("a", "b")]
    both = Barrier(2)

    def cross(own: Postgres, nth: int) -> int:
        tries = []

        def work(tx: Connection) -> None:
            tries.append(nth)
            people.update_person_row(tx, names[nth], name="x")
            if len(tries) == 1:
                both.wait(10)
            people.update_person_row(tx, names[1 - nth], name="y")

        own.write_sync(work)
        return len(tries)

    fewer, more = sorted(all_at_once(url, cross, 2))
    assert (fewer, more > 1) == (1, True)
    read = select(people.people.c.revision)
    assert db.read_sync(lambda tx: list(tx.execute(read).scalars())) == [3, 3]


def test_a_read_is_one_snapshot_and_cannot_write(db: Postgres) -> None:
    def look_twice(tx: Connection) -> tuple[int, int]:
        before = len(tx.execute(select(people.people.c.id)).all())
        db.write_sync(people.create, name="Ada", email=None)
        return before, len(tx.execute(select(people.people.c.id)).all())

    assert db.read_sync(look_twice) == (0, 0)
    with pytest.raises(DBAPIError, match="read-only"):
        db.read_sync(people.create, name="Bo", email=None)


def test_a_database_error_names_no_value(db: Postgres) -> None:
    def insert_twice(tx: Connection) -> None:
        for _ in range(2):
            row = {"id": "secret-id", "name": "n", "revision": 1, "created_at": 1}
            tx.execute(people.people.insert().values(row))

    with pytest.raises(IntegrityError) as refused:
        db.write_sync(insert_twice)

    shown = "".join(traceback.format_exception(refused.value))
    assert "pk_people" in shown
    assert "secret-id" not in shown


def test_a_nul_is_stored_as_the_replacement_character(db: Postgres) -> None:
    made = db.write_sync(people.create, name="A\0B", email=None)

    assert db.read_sync(people.find, made.id) == people.Person(
        made.id, "A\ufffdB", None, None, 1, made.created_at
    )


def test_every_lock_wait_has_a_timeout(db: Postgres) -> None:
    """A frozen process keeps its locks until the server ends its session."""

    def impatient(tx: Connection) -> None:
        tx.exec_driver_sql("SELECT set_config('lock_timeout', '50ms', true)")
        rate_limit.count_sign_in(tx, "ada@desk.test", None, NOON)

    def hold(tx: Connection) -> None:
        rate_limit.count_sign_in(tx, "ada@desk.test", None, NOON)
        with pytest.raises(OperationalError, match="lock timeout"):
            db.write_sync(impatient)

    db.write_sync(hold)

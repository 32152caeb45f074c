"""Test the demo's history: real deliveries, plausible times, seeded only once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from random import Random

import pytest
from sqlalchemy import select

from deskwire.accounts import passwords
from deskwire.accounts.admin_actions import list_people
from deskwire.accounts.passwords import HashCost, Hasher, parse_password
from deskwire.accounts.people import find_by_email, people
from deskwire.demo import seed_portal
from deskwire.demo.attachments import ATTACHMENTS
from deskwire.demo.cast import (
    CLIENTS,
    DISCORD_LOGINS,
    NORTHWIND,
    PASSWORD,
    PIXEL_FORGE,
    SEEDED_TICKETS,
    TEAM,
)
from deskwire.demo.discord_history import build_history
from deskwire.demo.portal_history import PORTAL_HISTORY
from deskwire.demo.seed import seed_demo
from deskwire.direct_edits.change_log import outside_changes
from deskwire.events.log import log
from deskwire.kit.clock import DAY, HOUR
from deskwire.kit.store import DiskStore
from deskwire.server.services import ACCESS
from deskwire.tickets.files.attachments import files
from deskwire.tickets.messages import messages
from deskwire.tickets.queries import counts
from deskwire.tickets.statuses import STATUSES
from deskwire.tickets.tables import tickets
from deskwire.webhooks.deliveries import deliveries
from tests.fixtures.bot_deliveries import NOON
from tests.fixtures.databases import create_database

pytestmark = pytest.mark.database("sqlite")  # the demo brings its own file
CHEAP = HashCost(memory_kib=8, iterations=1, parallelism=1)  # the least argon2 takes


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    db = create_database(folder)
    hasher = Hasher(CHEAP)
    assert asyncio.run(seed_demo(db, hasher, DiskStore(folder / "files"), lambda: NOON))
    yield db, hasher
    hasher.close()
    db.close()


def rows(db, *columns):
    return db.read_sync(lambda tx: tx.execute(select(*columns)).all())


def test_every_seeded_delivery_was_processed(seeded):
    db, _ = seeded

    assert set(rows(db, deliveries.c.state, deliveries.c.reasons)) == {("done", "[]")}


def test_the_seeded_history_makes_no_direct_edits(seeded):
    db, _ = seeded

    assert rows(db, outside_changes.c.id) == []


def test_seeded_times_are_in_the_past_and_consistent_across_tables(seeded):
    db, _ = seeded
    rows_stored = rows(db, deliveries.c.id, deliveries.c.signed_at, deliveries.c.received_at)
    handled = rows(db, deliveries.c.handled_at)
    dated = rows(db, log.c.cause, log.c.at)
    by_cause = {f"delivery:{id_}": signed for id_, signed, _ in rows_stored}

    assert all(signed == received for _, signed, received in rows_stored)
    assert [signed for _, signed, _ in rows_stored] == [at for (at,) in handled]
    assert {cause: at for cause, at in dated if cause} == by_cause
    assert min(at for _, at in dated) > NOON - seed_portal.HISTORY_LENGTH - 2 * DAY
    assert NOON - HOUR < max(at for _, at in dated) < NOON


def test_the_log_is_in_order_of_time(seeded):
    db, _ = seeded
    times = [at for (at,) in rows(db, log.c.at)]

    assert times == sorted(times)


def test_both_servers_have_tickets_in_every_state_of_the_bot(seeded):
    db, _ = seeded
    found: Counter[tuple[str, str]] = Counter()
    deleted = 0
    for workspace, status, gone in rows(
        db, tickets.c.workspace, tickets.c.status, tickets.c.deleted_at
    ):
        found[workspace, status] += gone is None
        deleted += gone is not None

    assert deleted >= 3
    for guild in (NORTHWIND, PIXEL_FORGE):
        for status in ("active", "waiting", "done"):
            assert found[f"guild:{guild.id}", status] > 0, (guild.name, status, found)


def test_portal_requests_have_the_times_of_their_scripts(seeded):
    db, _ = seeded
    ours = tickets.c.workspace.startswith("org:")
    found = db.read_sync(lambda tx: tx.execute(select(tickets).where(ours)).all())
    dated = rows(db, log.c.type, log.c.at, log.c.data)
    texts = {
        json.loads(data)["messageId"]: at
        for type_, at, data in dated
        if type_ == "ticket.message_sent" and "messageId" in json.loads(data)
    }
    written = dict(tuple(row) for row in rows(db, messages.c.id, messages.c.at))

    assert len(found) == len(PORTAL_HISTORY)
    assert {row.status for row in found} == set(STATUSES)
    assert NOON - 60 * DAY < min(row.opened_at for row in found) < NOON - 55 * DAY
    assert NOON - 12 * HOUR < max(row.active_at for row in found) < NOON
    ours_told = texts.keys() & written.keys()
    assert len(ours_told) >= 40
    assert all(texts[id_] == written[id_] for id_ in ours_told)
    for guild in {row.workspace for row in found}:
        here = sorted((row for row in found if row.workspace == guild), key=lambda row: row.number)
        assert here == sorted(here, key=lambda row: row.opened_at)


def test_seeded_files_are_stored_like_uploads(seeded):
    db, _ = seeded
    store = DiskStore(db.path.parent / "files")
    rows_stored = rows(db, *files.c)

    assert {row.name for row in rows_stored} == set(ATTACHMENTS)
    for row in rows_stored:
        assert row.message is not None
        assert (row.thumbnail, row.width) == ((1, 640) if row.type == "image/png" else (0, None))
        assert asyncio.run(read_whole(store, row.id)) == ATTACHMENTS[row.name]()


async def read_whole(store, key):
    return b"".join([chunk async for chunk in await store.open(key)])


def test_messages_have_markdown_and_some_have_no_text(seeded):
    db, _ = seeded
    texts = [text for text, kind in rows(db, messages.c.text, messages.c.kind) if kind == "reply"]

    assert 0.02 < texts.count(None) / len(texts) < 0.3
    assert any("**" in text for text in texts if text)


@pytest.mark.parametrize(
    ("email", "northwind", "pixel"),
    [
        ("ada@example.org", "all", "nothing"),
        ("bo@example.org", "all", "nothing"),
        ("cy@example.org", "own", "all"),
        ("dee@example.org", "none", "nothing"),
        ("eve@example.org", "nothing", "nothing"),
    ],
)
def test_every_login_sees_what_the_demo_describes(seeded, email, northwind, pixel):
    db, _ = seeded

    def look(tx):
        person = find_by_email(tx, email)
        assert person is not None
        viewer = ACCESS.read_viewer(tx, person.id)
        return [
            (
                f"guild:{guild.id}" in viewer.channels,
                sum(counts.count_by_status(tx, viewer, f"guild:{guild.id}").values()),
            )
            for guild in (NORTHWIND, PIXEL_FORGE)
        ]

    for (opens, seen), expected, guild in zip(
        db.read_sync(look), (northwind, pixel), (NORTHWIND, PIXEL_FORGE), strict=True
    ):
        whole = SEEDED_TICKETS[guild.id]
        match expected:
            case "all":
                assert opens
                assert 0.8 * whole < seen <= whole
            case "own":
                assert not opens
                assert 0 < seen < 0.5 * whole
            case "none":
                assert (opens, seen) == (True, 0)
            case "nothing":
                assert (opens, seen) == (False, 0)


def test_everyone_can_sign_in_with_the_printed_password(seeded):
    db, hasher = seeded

    for login in DISCORD_LOGINS:
        assert parse_password(PASSWORD, login.email) == PASSWORD
        person = db.read_sync(find_by_email, login.email)
        assert person.email_verified_at is not None
        stored = db.read_sync(passwords.read_hash, person.id)
        assert asyncio.run(hasher.verify(stored, PASSWORD))
    listed = db.read_sync(list_people)
    found = [(each.person.name, each.principals) for each in listed]
    assert found[: len(DISCORD_LOGINS)] == [
        (login.name, (f"discord:{login.discord_user.id}",)) for login in DISCORD_LOGINS
    ]
    assert sorted(found[len(DISCORD_LOGINS) :]) == sorted(
        (each.name, ()) for each in (*TEAM, *CLIENTS)
    )


def test_seeding_twice_changes_nothing(seeded, tmp_path):
    db, hasher = seeded
    before = rows(db, log.c.position), rows(db, people.c.id, people.c.revision)

    assert not asyncio.run(seed_demo(db, hasher, DiskStore(tmp_path / "files"), lambda: NOON + DAY))

    assert (rows(db, log.c.position), rows(db, people.c.id, people.c.revision)) == before


def test_seeding_is_deterministic():
    assert build_history(Random(3), NOON) == build_history(Random(3), NOON)
    json.dumps(build_history(Random(4), NOON))

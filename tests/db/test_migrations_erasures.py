"""Test that an upgrade finds the tickets of old log entries, and what was deleted before it.

It also ends what earlier versions left to people who have lost access.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from alembic import command
from sqlalchemy import Connection, select, text

from deskwire import schema
from deskwire.events import log
from deskwire.events.types.registry import EVENT_CLASS_BY_TYPE
from deskwire.kit.connect import connect_database
from deskwire.kit.db import Database
from deskwire.tickets.actions.offboarding import end_participation
from deskwire.tickets.tables import participants
from tests.fixtures.database_kind import current_kind
from tests.fixtures.erasure import find_marker, sweep_erasures
from tests.fixtures.postgres import get_server

BEFORE, MARKER = "0009", "zauberkran"
INSERT = (
    "INSERT INTO log (position, type, at, workspace, actor, channels, touches, data) "
    "VALUES (:position, :type, 1, 'org:o', 'p', '[\"staff\"]', '[]', :data)"
)
ENTRIES = (
    ("ticket.created", {"ticket": "t", "subject": MARKER}),
    ("ticket.created", {"ticket": "u", "subject": "kept"}),
    ("member.joined", {"member": {"id": "p", "name": "Bo"}}),
    ("ticket.deleted", {"ticket": "t", "now": {"number": 1, "subject": MARKER}}),
    ("ticket.updated", {"ticket": "u", "subject": "kept"}),
)


def migrate_from_before(tmp_path: Path, fill: Callable[[Connection], None]) -> Database:
    """Return a database that was filled before this migration, and migrated since."""
    is_file = current_kind() == "sqlite"
    db = connect_database(
        f"sqlite:///{tmp_path / 'old.db'}" if is_file else get_server().create_empty()
    )

    def begin(tx: Connection) -> None:
        config = schema._create_alembic_config()
        config.attributes["connection"] = tx
        command.upgrade(config, BEFORE)
        log.begin_epoch(tx)
        fill(tx)

    db.write_sync(begin)
    schema.migrate(db)
    return db


def test_old_entries_get_their_ticket_and_old_deletions_are_erased(tmp_path: Path) -> None:
    def fill(tx: Connection) -> None:
        for number, (type_, data) in enumerate(ENTRIES):
            # Positions far apart: they are filled in steps, and a step may find none.
            row = {"position": 1 + number * 7_000, "type": type_, "data": json.dumps(data)}
            tx.execute(text(INSERT), row)

    db = migrate_from_before(tmp_path, fill)

    filled = text("SELECT ticket, erased_to FROM log ORDER BY position")
    rows = db.read_sync(lambda tx: [tuple(row) for row in tx.execute(filled)])
    assert rows == [("t", None), ("u", None), (None, None), ("t", 0), ("u", None)]
    entries = db.read_sync(log.read_after, 0, 10)
    assert MARKER.encode() not in b"".join(each.frame for each in entries[:-2])
    sweep_erasures(db, tmp_path / "files")
    assert find_marker(db, MARKER) == []
    assert "kept" in "".join(db.read_sync(lambda tx: tx.execute(text(DATA)).scalars().all()))
    db.close()


DATA = "SELECT data FROM log"


def test_old_entries_leave_the_channels_of_people_unless_they_are_about_the_person(
    tmp_path: Path,
) -> None:
    types = [*EVENT_CLASS_BY_TYPE]
    insert = INSERT.replace('["staff"]', '["user:p", "staff"]')

    def fill(tx: Connection) -> None:
        for number, type_ in enumerate(types):
            row = {"position": 1 + number * 3_000, "type": type_, "data": '{"ticket":"t"}'}
            tx.execute(text(insert), row)

    db = migrate_from_before(tmp_path, fill)

    query = text("SELECT type, channels FROM log")
    channels = {
        row.type: json.loads(row.channels)
        for row in db.read_sync(lambda tx: tx.execute(query).all())
    }
    assert channels.keys() == set(types)
    assert all("staff" in each for each in channels.values())
    heard = {type_ for type_, each in channels.items() if "user:p" in each}
    shows_state = {
        type_
        for type_, event in EVENT_CLASS_BY_TYPE.items()
        if "now" in event.model_fields and "user:ID" not in event.channel_kinds
    }
    assert {"ticket.participant_removed", "guild.joined", "guild.updated"} <= shows_state
    assert not heard & shows_state
    personal = {t for t, event in EVENT_CLASS_BY_TYPE.items() if "user:ID" in event.channel_kinds}
    assert personal <= heard
    db.close()


ROLELESS = "ex"  # has left the only organization
ROWS = (
    *(
        f"INSERT INTO people (id, name, revision, created_at) VALUES ('{id_}', 'Bo', 1, 1)"
        for id_ in ("bo", "ada", "cy", ROLELESS)
    ),
    *(
        "INSERT INTO organizations (id, slug, name, internal, created_at, revision) "
        f"VALUES ('{id_}', '{id_}', 'A name', {internal}, 1, 1)"
        for id_, internal in (("quay", "FALSE"), ("loft", "FALSE"), ("team", "TRUE"))
    ),
    *(
        "INSERT INTO organization_members (organization, person, role, revision) "
        f"VALUES ('{organization}', '{person}', 'member', 1)"
        for organization, person in (("quay", "bo"), ("team", "ada"), ("loft", "cy"))
    ),
    *(
        "INSERT INTO tickets (id, workspace, number, status, opener, tags, messages, opened_at, "
        f"active_at) VALUES ('{id_}', '{workspace}', 1, 'new', '{ROLELESS}', '[]', 0, 1, 1)"
        for id_, workspace in (("request", "org:quay"), ("ticket", "guild:1"))
    ),
)
PARTICIPANTS = {  # of the request in the Quay, with their roles and whether they stay
    ("bo", "watcher"): True,
    ("ada", "watcher"): True,  # of the team
    ("cy", "watcher"): False,  # a member elsewhere
    (ROLELESS, "opener"): False,
    ("added", "added"): True,
    ("author", "author"): False,
    ("discord:1", "opener"): True,
}


def test_people_without_a_role_no_longer_take_part_in_requests(tmp_path: Path) -> None:
    def fill(tx: Connection) -> None:
        for row in ROWS:
            tx.exec_driver_sql(row)
        for ticket in ("request", "ticket"):
            for person, role in PARTICIPANTS:
                values = f"('{ticket}', '{person}', '{role}')"
                tx.exec_driver_sql(
                    f"INSERT INTO participants (ticket, principal, role) VALUES {values}"
                )

    db = migrate_from_before(tmp_path, fill)

    def list_participants(ticket: str) -> set[str]:
        query = select(participants.c.principal).where(participants.c.ticket == ticket)
        return set(db.read_sync(lambda tx: tx.execute(query).scalars().all()))

    kept = {person for (person, _role), stays in PARTICIPANTS.items() if stays}
    assert list_participants("request") == kept
    assert list_participants("ticket") == {person for person, _role in PARTICIPANTS}, (
        "a server's ticket goes by its roles in Discord"
    )
    for person, _role in PARTICIPANTS:
        if not person.startswith("discord:"):
            db.write_sync(end_participation, person)
    assert list_participants("request") == kept, "the same as removing a member does today"
    opener = text("SELECT opener FROM tickets WHERE id = 'request'")
    assert db.read_sync(lambda tx: tx.execute(opener).scalar_one()) == ROLELESS
    db.close()

"""Test that an upgrade carries waiting mails over and gives open invitations their timers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from sqlalchemy import Connection, insert, text

from deskwire import schema
from deskwire.dispatches import mail
from deskwire.dispatches.smtp import build_message
from deskwire.dispatches.store import TIMERS
from deskwire.dispatches.timers import run_due_timers
from deskwire.events import log
from deskwire.kit.clock import HOUR, now
from deskwire.kit.connect import connect_database
from deskwire.kit.db import Database
from deskwire.server.reach import TIMER_ACTIONS
from deskwire.workspaces.organizations.invitations import EXPIRY_TIMER, invitations
from deskwire.workspaces.organizations.organizations import organizations
from tests.fixtures.database_kind import current_kind
from tests.fixtures.dispatching import read_dispatches
from tests.fixtures.postgres import get_server

INSERT = (
    "INSERT INTO mails (id, recipient, subject, text, html, created_at, tries, due_at, sent_at) "
    "VALUES (:id, :to, 'Hello', 'text', 'html', :at, 1, :at, :sent_at)"
)


def create_old_database(folder: Path, fill: Callable[[Connection], None]) -> Database:
    """Create a database of revision 0010 with some rows, and upgrade it."""
    is_file = current_kind() == "sqlite"
    db = connect_database(
        f"sqlite:///{folder / 'old.db'}" if is_file else get_server().create_empty()
    )

    def create(tx: Connection) -> None:
        config = schema._create_alembic_config()
        config.attributes["connection"] = tx
        command.upgrade(config, "0010")
        log.begin_epoch(tx)
        fill(tx)

    db.write_sync(create)
    schema.migrate(db)
    return db


def test_waiting_mails_become_dispatches_with_the_same_message_id(tmp_path: Path) -> None:
    def fill(tx: Connection) -> None:
        for id_, sent_at in ((7, 5), (8, None), (9, None)):
            row = {
                "id": id_,
                "to": f"n{id_}@desk.test",
                "at": 1000 + id_,
                "sent_at": sent_at,
            }
            tx.execute(text(INSERT), row)

    db = create_old_database(tmp_path, fill)

    newest_first = db.read_sync(mail.read_newest)
    db.close()
    assert [each.recipient for each in newest_first] == ["n9@desk.test", "n8@desk.test"]
    message = build_message(newest_first[1], "desk@desk.test")
    assert message["Message-ID"] == "<deskwire.8.1008@desk.test>"


def test_an_open_invitation_gets_the_timer_of_its_expiry(tmp_path: Path) -> None:
    at = now()
    ends: dict[str, dict[str, int]] = {
        "open": {},
        "expired": {"expires_at": at - 1},
        "accepted": {"accepted_at": 5},
        "revoked": {"revoked_at": 5},
    }

    def fill(tx: Connection) -> None:
        organization = {"id": "o", "slug": "o", "name": "O", "internal": False, "revision": 1}
        tx.execute(insert(organizations).values(**organization, created_at=1))
        for id_, columns in ends.items():
            row: dict[str, object] = {
                "id": id_,
                "organization": "o",
                "email": "a@desk.test",
                "role": "member",
            }
            row |= {"token_hash": id_, "invited_by": "p", "created_at": 1}
            tx.execute(insert(invitations).values({**row, "expires_at": at + HOUR, **columns}))

    db = create_old_database(tmp_path, fill)

    [timer] = read_dispatches(db)
    assert (timer.target, timer.kind, timer.key) == (TIMERS, EXPIRY_TIMER, "open")
    assert (timer.state, timer.due_at) == ("ready", at + HOUR)
    db.write_sync(run_due_timers, TIMER_ACTIONS, at + HOUR)
    assert [row.state for row in read_dispatches(db)] == ["done"]
    db.close()

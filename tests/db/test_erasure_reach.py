"""Test that consumers, dispatches, timers and jobs keep no text of what was deleted.

They fail over it in every way here: the errors that they keep name a type or a status, never what
an exception or another server said, which may quote the text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import Boolean, Connection, Integer, LargeBinary, delete, insert, select
from sqlalchemy.types import TypeEngine

from deskwire.dispatches.dispatcher import Dispatcher
from deskwire.dispatches.mail import MailContent, queue_mail
from deskwire.dispatches.smtp import SmtpTarget
from deskwire.dispatches.store import Dispatch, DispatchRow, hold_unfinished
from deskwire.dispatches.target import BeginFunction, Outcome, Target
from deskwire.dispatches.timers import run_due_timers, schedule
from deskwire.events.consumers.planning import plan_batch
from deskwire.events.consumers.store import (
    Consumer,
    ConsumerFailureRow,
    LoggedEvent,
    failures,
    register_consumers,
)
from deskwire.jobs.runner import run_slice
from deskwire.jobs.store import HasTimeLeft, JobKind, Slice, read_job, start_job
from deskwire.kit.db import Database, metadata
from deskwire.kit.rows import fetch_all
from deskwire.kit.smtp_url import SmtpServer
from deskwire.tickets.actions import offboarding, update
from deskwire.tickets.messages import messages
from deskwire.workspaces import name_changes
from deskwire.workspaces.organizations import invitations
from deskwire.workspaces.organizations.members import change_member_role
from tests.fixtures.accounts import NOON, FakeClock
from tests.fixtures.cast import ADA, BO, MO, UNA
from tests.fixtures.databases import create_database
from tests.fixtures.dispatching import ToyTarget, queue_toy, read_dispatches, send_due_dispatches
from tests.fixtures.effect_sinks import serve_mail
from tests.fixtures.erasure import find_marker, find_marker_in, sweep_erasures
from tests.fixtures.staffed_portal import StaffedPortalFixture

MARKER = "zauberkran"
WANTED = "ticket.message_sent"


@pytest.mark.database("sqlite")
def test_the_search_for_a_text_reads_every_column_of_every_table(tmp_path: Path) -> None:
    db = create_database(tmp_path)
    with pytest.raises(Undone) as undone:
        db.write_sync(fill_and_search)

    assert len(undone.value.filled) > 100
    assert undone.value.filled - undone.value.found == set()
    db.close()


class Undone(Exception):
    """End a transaction without a commit, which the foreign keys would refuse."""

    def __init__(self, filled: set[str], found: set[str]) -> None:
        self.filled, self.found = filled, found


def fill_and_search(tx: Connection) -> None:
    """Insert a row with the marker in all columns into every table, and look for it."""
    tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    filled = set[str]()
    for table in metadata.sorted_tables:
        values = {column.name: make_value(column.type) for column in table.columns}
        tx.execute(delete(table))
        tx.execute(insert(table).values(values))
        filled |= {f"{table.name}.{name}" for name, value in values.items() if value != 1}
    raise Undone(filled, set(find_marker_in(tx, MARKER)))


def make_value(type_: TypeEngine[Any]) -> object:
    """Return a value of a column that contains the marker, or 1 for a number."""
    if isinstance(type_, Integer | Boolean):
        return 1
    text = f"<{MARKER.title()}>"
    return text.encode() if isinstance(type_, LargeBinary) else text


class QuotingTarget(ToyTarget):
    """Another system whose client quotes the text in its exceptions."""

    async def send(self, dispatch: Dispatch, begin: BeginFunction) -> Outcome:
        begin()
        raise ValueError(dispatch.key, MARKER)


def read_text(tx: Connection) -> str:
    """Return every message, as a consumer, a timer or a job reads it when it runs."""
    return " ".join(filter(None, tx.execute(select(messages.c.text)).scalars()))


def plan_and_fail(tx: Connection, events: Sequence[LoggedEvent]) -> None:
    raise ValueError([event.data for event in events], read_text(tx))


def ring_and_fail(tx: Connection, _key: str, _payload: Mapping[str, Any], _at: int) -> None:
    raise ValueError(read_text(tx))


def work_and_fail(tx: Connection, _arguments: object, _cursor: str, _left: HasTimeLeft) -> Slice:
    raise ValueError(read_text(tx))


def list_failures(tx: Connection) -> Sequence[ConsumerFailureRow]:
    return fetch_all(tx, select(failures), ConsumerFailureRow)


def test_nothing_remains_of_a_deleted_request_over_which_everything_failed(
    staffed_portal: StaffedPortalFixture, tmp_path: Path
) -> None:
    portal, db, at = staffed_portal, staffed_portal.desk.db, staffed_portal.desk.now
    db.write_sync(register_consumers, ["toy"])
    ticket = portal.create_request(BO, f"About {MARKER}", f"Where is {MARKER}?")
    message = portal.post_message(ADA, ticket, f"Here is {MARKER}")

    db.write_sync(plan_batch, Consumer("toy", frozenset({WANTED}), plan_and_fail), at)
    queue_toy(db, f"ticket:{ticket}", message)
    asyncio.run(_send_all(db, QuotingTarget()))
    db.write_sync(schedule, "ring", ticket, at, at=at)
    db.write_sync(run_due_timers, {"ring": ring_and_fail}, at)
    kind = JobKind("toy", lambda _tx, _arguments: None, work_and_fail)
    job = db.write_sync(start_job, kind, at, {"ticket": ticket})
    db.write_sync(run_slice, {"toy": kind}, job, at)

    [set_aside] = db.read_sync(list_failures)
    assert set_aside.error is not None
    assert [row.last_error for row in read_dispatches(db)] == [
        "internal error: ValueError; see the log",
        "ValueError",
    ]
    assert db.read_sync(read_job, job).error == "ValueError"
    portal.act_as(MO, update.delete_request, ticket)
    sweep_erasures(db, tmp_path / "files")
    assert find_marker(db, MARKER) == []


async def _send_all(db: Database, target: Target) -> None:
    await send_due_dispatches(Dispatcher(db, [target], FakeClock(), jitter=lambda: 1.0))


class QuotingMailServer:
    """Refuse a mail at one step, and quote what it knows of it."""

    def __init__(self, step: str, code: int) -> None:
        self._step, self._code = step, code

    def _answer(self, step: str) -> str:
        quoted = f"{self._code} <{MARKER}@desk.test> “{MARKER}” is not wanted".encode()
        return quoted.decode("ascii", "replace") if step == self._step else "250 OK"

    async def handle_MAIL(  # noqa: N802 - the server asks for it by this name
        self, _server: SMTP, _session: Session, envelope: Envelope, sender: str, _options: object
    ) -> str:
        envelope.mail_from = sender
        return self._answer("MAIL")

    async def handle_RCPT(  # noqa: N802 - the server asks for it by this name
        self, _server: SMTP, _session: Session, envelope: Envelope, to: str, _options: object
    ) -> str:
        envelope.rcpt_tos.append(to)
        return self._answer("RCPT")

    async def handle_DATA(  # noqa: N802 - the server asks for it by this name
        self, _server: SMTP, _session: Session, _envelope: Envelope
    ) -> str:
        return self._answer("DATA")


@pytest.mark.parametrize("code", [450, 550])
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_a_mail_server_that_quotes_the_mail_leaves_no_text_in_the_error(
    tmp_path: Path, step: str, code: int
) -> None:
    db = create_database(tmp_path)
    content = MailContent(f"About {MARKER}", MARKER, MARKER)
    db.write_sync(queue_mail, "person:1", f"{MARKER}@desk.test", content, NOON)

    with serve_mail(QuotingMailServer(step, code)) as port:
        target = SmtpTarget(SmtpServer("127.0.0.1", port, False, None, "desk@desk.test"))
        asyncio.run(_send_all(db, target))

    [row] = read_dispatches(db)
    assert row.last_error is not None
    assert MARKER not in row.last_error
    is_given_up = code == 550 and step in ("RCPT", "DATA")
    assert find_marker(db, MARKER) == ([] if is_given_up else ["dispatches.payload"])
    db.close()


@pytest.mark.parametrize("is_held", [False, True])
def test_the_unsent_invitations_of_a_deleted_account_name_it_no_more(
    staffed_portal: StaffedPortalFixture, tmp_path: Path, is_held: bool
) -> None:
    portal, db, quay = (
        staffed_portal,
        staffed_portal.desk.db,
        staffed_portal.organization_ids["quay"],
    )
    bo = portal.desk.person_id(BO)
    db.write_sync(name_changes.rename_person, bo, MARKER.title(), portal.desk.now)
    invite_guest(portal, quay)
    portal.act_as(BO, change_member_role, quay, portal.desk.person_id(UNA), "admin")
    if is_held:
        db.write_sync(hold_unfinished)
    assert "dispatches.payload" in find_marker(db, MARKER)

    db.write_sync(offboarding.delete_account, bo, portal.desk.now + 1000)

    sweep_erasures(db, tmp_path / "files")
    assert find_marker(db, MARKER) == []


def test_the_mail_of_a_revoked_or_replaced_invitation_is_not_sent(
    staffed_portal: StaffedPortalFixture,
) -> None:
    portal, db, quay = (
        staffed_portal,
        staffed_portal.desk.db,
        staffed_portal.organization_ids["quay"],
    )
    invite_guest(portal, quay)
    [first] = list_mails(db)

    invite_guest(portal, quay)
    [second] = list_mails(db)
    assert second.key != first.key

    [open_one] = db.read_sync(invitations.list_open_invitations, quay, portal.desk.now)
    portal.act_as(BO, invitations.revoke, quay, open_one.id)
    assert list_mails(db) == []


def list_mails(db: Database) -> list[DispatchRow]:
    return [row for row in read_dispatches(db) if row.target == "mail"]


def invite_guest(portal: StaffedPortalFixture, organization_id: str) -> None:
    """Let Bo invite a guest, by a mail that says who invites into what."""
    portal.act_as(
        BO,
        invitations.invite,
        organization_id,
        "guest@desk.test",
        "member",
        compose_mail=lambda inviter, place, _: MailContent("Invitation", f"{inviter}: {place}", ""),
    )

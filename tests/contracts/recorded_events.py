"""Record one of every event as the log holds it: the bot's samples, and those of our actions.

Ids that differ from run to run are numbered in the order they appear: `‹1›`, `‹2›`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, select

from deskwire.accounts import people, sessions
from deskwire.accounts.authentication import Browser, start_session
from deskwire.direct_edits.processor import record_edits
from deskwire.events.log import log
from deskwire.integrations.discord.samples import build_sample_data
from deskwire.kit.clock import MINUTE
from deskwire.kit.db import Database
from deskwire.server import admin_commands
from tests.contracts.recorded_portal_events import PortalRecorder
from tests.fixtures.bot_deliveries import NOON, SignedEvent, accept_event, process_deliveries
from tests.fixtures.databases import create_database

OWNER, USER, GUILD = "182345678901234567", "318456789012345678", "1046123456789012345"
UUID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")

RecordingStep = Callable[[Connection], None]
RecordedEvent = dict[str, Any]  # type, channels, touches, workspace, data

EVENT_TYPES = (
    "guild.joined",
    "guild.setup_complete",
    "team.role_created",
    "team.role_updated",
    "team.member_assigned",
    "ticket.created",
    "ticket.message_sent",
    "ticket.claimed",
    "ticket.updated",
    "ticket.status_changed",
    "ticket.closed",
    "ticket.deleted",
    "team.member_unassigned",
    "member.left",
    "team.role_deleted",
    "guild.left",
    "guild.joined",  # again: those who were there hear it too
)

DIRECT_EDITS = (  # what someone does with SQL
    "UPDATE tickets SET deleted_at = NULL",
    "UPDATE messages SET text = 'Put differently' WHERE kind = 'reply'",
    "DELETE FROM messages WHERE kind = 'reply'",
    f"UPDATE guilds SET owner = 'discord:{USER}'",
    "DELETE FROM guilds",
)


def record_events() -> dict[str, RecordedEvent]:
    """Every step of the story by its name: the event's type, `-again` where it comes twice."""
    with TemporaryDirectory() as folder:
        db = create_database(Path(folder))
        try:
            ids: dict[str, str] = {}
            found: dict[str, RecordedEvent] = {}
            for step in _iter_steps(db):
                before = _count_entries(db)
                db.write_sync(step)
                for entry in _read_entries(db, before):
                    name = entry["type"]
                    found[f"{name}-again" if name in found else name] = _number_ids(entry, ids)
            for step in PortalRecorder().iter_steps():
                before = _count_entries(db)
                db.write_sync(step)
                for entry in _read_entries(db, before):
                    found[_name_portal_event(entry, found)] = _number_ids(entry, ids)
            return found
        finally:
            db.close()


def _name_portal_event(entry: RecordedEvent, found: dict[str, RecordedEvent]) -> str:
    """`ticket.read`; `ticket.created-portal` beside the bot's; a note has a name of its own."""
    is_note = (entry["data"].get("line") or {}).get("kind") == "note"
    type_ = entry["type"]
    names = (f"{type_}-note",) if is_note else (type_, f"{type_}-portal")
    return next((name for name in names if name not in found), f"{type_}-portal-again")


def _iter_steps(db: Database) -> Iterator[RecordingStep]:
    yield partial(_create_person, name="Olga Owner", snowflake=OWNER)
    for minute, type_ in enumerate(EVENT_TYPES):
        at = NOON + minute * MINUTE
        yield partial(
            _process_event, db=db, event=SignedEvent(at, type_, build_sample_data(type_, at=at))
        )
        if type_ == "team.role_updated":  # from here on what happens to the member is theirs too
            yield partial(_create_person, name="Mira Member", snowflake=USER)
            yield _grant_permission
    yield _sign_in_and_out
    for statement in DIRECT_EDITS:
        yield partial(_edit_directly, db=db, statement=statement)


def _process_event(tx: Connection, *, db: Database, event: SignedEvent) -> None:
    process_deliveries(db, tx, [accept_event(event)])


def _create_person(tx: Connection, *, name: str, snowflake: str) -> None:
    email = f"{name.split()[0].lower()}@desk.test"
    people.create(tx, name=name, email=email, at=NOON)
    admin_commands.execute_command(tx, "people.link", {"email": email, "discord": snowflake})


def _edit_directly(tx: Connection, *, db: Database, statement: str) -> None:
    tx.exec_driver_sql(statement)
    tx.exec_driver_sql("UPDATE outside_changes SET at = ?", (NOON,))
    record_edits(tx)


def _grant_permission(tx: Connection) -> None:
    permit = {"guild": GUILD, "discord": USER, "permissions": ["TICKET_EXPORT"]}
    admin_commands.execute_command(tx, "guilds.permit", permit)


def _sign_in_and_out(tx: Connection) -> None:
    person = people.find_by_email(tx, "olga@desk.test")
    assert person is not None
    opened = start_session(tx, person.id, Browser(None, "a browser"), NOON)
    sessions.revoke(tx, opened.session.id, at=NOON)


def _count_entries(db: Database) -> int:
    return db.read_sync(lambda tx: len(tx.execute(select(log.c.position)).all()))


def _read_entries(db: Database, before: int) -> list[RecordedEvent]:
    def read(tx: Connection) -> list[RecordedEvent]:
        rows = tx.execute(select(log).where(log.c.position > before).order_by(log.c.position))
        return [
            {
                "type": row.type,
                "workspace": row.workspace,
                "channels": json.loads(row.channels),
                "touches": json.loads(row.touches),
                "data": json.loads(row.data),
            }
            for row in rows
        ]

    return db.read_sync(read)


def _number_ids(entry: RecordedEvent, ids: dict[str, str]) -> RecordedEvent:
    def number(match: re.Match[str]) -> str:
        return ids.setdefault(match[0], f"‹{len(ids) + 1}›")

    numbered: RecordedEvent = json.loads(UUID_PATTERN.sub(number, json.dumps(entry)))
    return numbered

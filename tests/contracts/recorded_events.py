"""One of every event, as the log holds it: the bot's samples through the real worker, and our own.

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
from deskwire.direct_edits.processor import work_off
from deskwire.events.log import log
from deskwire.integrations.discord.samples import sample
from deskwire.kit.clock import MINUTE
from deskwire.kit.db import Database
from deskwire.server import admin_commands
from tests.contracts.recorded_portal_events import Portal
from tests.fixtures.bot_deliveries import NOON, Told, posted, understand
from tests.fixtures.databases import new_database

OWNER, USER, GUILD = "182345678901234567", "318456789012345678", "1046123456789012345"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")

Step = Callable[[Connection], None]
Recorded = dict[str, Any]  # type, channels, touches, workspace, data

STORY = (
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

BY_HAND = (  # what somebody does with SQL
    "UPDATE tickets SET deleted_at = NULL",
    "UPDATE messages SET text = 'Put differently' WHERE kind = 'reply'",
    "DELETE FROM messages WHERE kind = 'reply'",
    f"UPDATE guilds SET owner = 'discord:{USER}'",
    "DELETE FROM guilds",
)


def record() -> dict[str, Recorded]:
    """Every step of the story by its name: the event's type, `-again` where it comes twice."""
    with TemporaryDirectory() as folder:
        db = new_database(Path(folder))
        try:
            ids: dict[str, str] = {}
            found: dict[str, Recorded] = {}
            for step in _steps(db):
                before = _count(db)
                db.write_here(step)
                for entry in _entries(db, before):
                    name = entry["type"]
                    found[f"{name}-again" if name in found else name] = _numbered(entry, ids)
            for step in Portal().steps():
                before = _count(db)
                db.write_here(step)
                for entry in _entries(db, before):
                    found[_portal_name(entry, found)] = _numbered(entry, ids)
            return found
        finally:
            db.close()


def _portal_name(entry: Recorded, found: dict[str, Recorded]) -> str:
    """`ticket.read`; `ticket.created-portal` beside the bot's; a note has a name of its own."""
    is_note = (entry["data"].get("line") or {}).get("kind") == "note"
    type_ = entry["type"]
    names = (f"{type_}-note",) if is_note else (type_, f"{type_}-portal")
    return next((name for name in names if name not in found), f"{type_}-portal-again")


def _steps(db: Database) -> Iterator[Step]:
    yield partial(_move_in, name="Olga Owner", snowflake=OWNER)
    for minute, type_ in enumerate(STORY):
        at = NOON + minute * MINUTE
        yield partial(_post, db=db, told=Told(at, type_, sample(type_, at=at)))
        if type_ == "team.role_updated":  # from here on what happens to the member is theirs too
            yield partial(_move_in, name="Mira Member", snowflake=USER)
            yield _permit
    yield _sign_in_and_out
    for statement in BY_HAND:
        yield partial(_by_hand, db=db, statement=statement)


def _post(tx: Connection, *, db: Database, told: Told) -> None:
    understand(db, tx, [posted(told)])


def _move_in(tx: Connection, *, name: str, snowflake: str) -> None:
    email = f"{name.split()[0].lower()}@desk.test"
    people.create(tx, name=name, email=email, at=NOON)
    admin_commands.run(tx, "people.link", {"email": email, "discord": snowflake})


def _by_hand(tx: Connection, *, db: Database, statement: str) -> None:
    tx.exec_driver_sql(statement)
    tx.exec_driver_sql("UPDATE outside_changes SET at = ?", (NOON,))
    work_off(tx)


def _permit(tx: Connection) -> None:
    permit = {"guild": GUILD, "discord": USER, "permissions": ["TICKET_EXPORT"]}
    admin_commands.run(tx, "guilds.permit", permit)


def _sign_in_and_out(tx: Connection) -> None:
    person = people.find_by_email(tx, "olga@desk.test")
    assert person is not None
    opened = sessions.begin(tx, person.id, user_agent="a browser", address=None, at=NOON)
    sessions.end(tx, opened.session.id, at=NOON)


def _count(db: Database) -> int:
    return db.read_here(lambda tx: len(tx.execute(select(log.c.position)).all()))


def _entries(db: Database, before: int) -> list[Recorded]:
    def read(tx: Connection) -> list[Recorded]:
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

    return db.read_here(read)


def _numbered(entry: Recorded, ids: dict[str, str]) -> Recorded:
    def number(match: re.Match[str]) -> str:
        return ids.setdefault(match[0], f"‹{len(ids) + 1}›")

    numbered: Recorded = json.loads(UUID.sub(number, json.dumps(entry)))
    return numbered

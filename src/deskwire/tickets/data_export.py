"""Takeaway: what is kept of one person, for them to have: `data.json` and the files they uploaded,
in one archive. Of requests it holds what they may still see there, and nothing else.

    data.json                account, memberships, requests, messages, and what the files are
    picture.webp             their picture, if they have one
    files/ID/holiday.png     each file, as its owner called it
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Any

from anyio.to_thread import run_sync
from sqlalchemy import Connection, select

from deskwire.accounts import identities, people, sessions
from deskwire.accounts.people import Person
from deskwire.events.access import Access, Viewer
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis, iso
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.store import Missing, Store
from deskwire.kit.zip_writer import Archive
from deskwire.tickets.files.attachments import files, select_shown
from deskwire.tickets.messages import messages
from deskwire.tickets.tables import tickets
from deskwire.tickets.visibility import visible_to
from deskwire.workspaces.organizations.account_deletion import read_memberships
from deskwire.workspaces.organizations.permissions import Right, may

SLICE = 64 * 1024  # bytes of data.json deflated at once: a few ms of a thread, far above its hop
FORBIDDEN = re.compile(r'[<>:"|?*]')  # in the names of files on Windows; the rest went as they came

logger = logging.getLogger(__name__)


def read_takeaway(
    tx: Connection, access: Access, person_id: PersonId, at: Millis
) -> dict[str, Any]:
    """What `person_id` may take with them, as JSON; no secret is in it, and nobody else's words."""
    person = people.find(tx, person_id)
    if person is None:
        raise NotFound(gettext("There is no such account."))
    principals = identities.principals_of(tx, person_id)
    selves, viewer = [person_id, *principals], access.read_viewer(tx, person_id)
    return {
        "made_at": iso(at),
        "person": _person(person),
        "identities": principals,
        "sessions": _sessions(tx, person_id, at),
        "memberships": _memberships(tx, person_id),
        "tickets": _tickets(tx, viewer, selves),
        "messages": _messages(tx, viewer, selves),
        "files": _files(tx, viewer),
    }


async def pack(store: Store, taken: dict[str, Any], avatar: str | None) -> AsyncIterator[bytes]:
    """A ZIP of what `read_takeaway` found and the bytes it names; `avatar`: key of the picture.

    What the store has lost is left out, and has no `path` in `data.json`, which comes last.
    """
    archive, made_at = Archive(), datetime.fromisoformat(taken["made_at"])
    named = [(each["id"], each, each["created_at"]) for each in taken["files"]]
    if avatar is not None:
        taken["person"]["path"] = "picture.webp"
        named.append((avatar, taken["person"], taken["made_at"]))
    for key, told, at in named:
        try:
            size, chunks = await store.size(key), await store.open(key)
        except Missing:
            logger.error("the store does not have %s, which a row names", key)  # noqa: TRY400
            told["path"] = None
            continue
        dated = datetime.fromisoformat(at)
        async with aclosing(archive.add(told["path"], dated, size, chunks, packs=False)) as parts:
            async for part in parts:
                yield part
    data = await run_sync(_json_of, taken)
    async for part in archive.add("data.json", made_at, len(data), _slices(data), packs=True):
        yield part
    yield archive.end()


def _json_of(taken: dict[str, Any]) -> bytes:
    # Part by part: all in one, C holds the interpreter that long, and the event loop with it.
    parts = json.JSONEncoder(ensure_ascii=False, indent=2).iterencode(taken)
    return b"".join(part.encode() for part in parts)


async def _slices(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), SLICE):
        yield data[start : start + SLICE]


def _person(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "email": person.email,
        "email_verified_at": _iso(person.email_verified_at),
        "created_at": iso(person.created_at),
        "time_zone": person.time_zone,
        "theme": person.theme,
        "seen_at": _iso(person.seen_at),
        "picture": person.picture,
    }


def _sessions(tx: Connection, person_id: PersonId, at: Millis) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "created_at": iso(each.created_at),
            "seen_at": iso(each.seen_at),
            "browser": each.user_agent,
            "address": each.address,
        }
        for each in sessions.read_own(tx, person_id, at)
    ]


def _memberships(tx: Connection, person_id: PersonId) -> list[dict[str, Any]]:
    return [
        {"organization": row.name, "role": row.role, "joined_at": iso(row.joined_at)}
        for row in read_memberships(tx, person_id)
    ]


def _tickets(tx: Connection, viewer: Viewer, selves: list[str]) -> list[dict[str, Any]]:
    mine = tickets.c.opener.in_(selves) & visible_to(viewer)
    rows = tx.execute(select(tickets).where(mine).order_by(tickets.c.opened_at, tickets.c.id))
    return [
        {
            "id": row.id,
            "workspace": row.workspace,
            "number": row.number,
            "subject": row.subject,
            "status": row.status,
            "opened_at": iso(row.opened_at),
        }
        for row in rows
    ]


def _messages(tx: Connection, viewer: Viewer, selves: list[str]) -> list[dict[str, Any]]:
    kinds = ("reply", "note") if may(viewer, Right.NOTE) else ("reply",)
    written = messages.c.author.in_(selves) & messages.c.kind.in_(kinds)
    shown = (messages.c.id, messages.c.ticket, messages.c.kind, messages.c.at, messages.c.text)
    rows = tx.execute(
        select(*shown)
        .join(tickets, tickets.c.id == messages.c.ticket)
        .where(written, visible_to(viewer))
        .order_by(messages.c.at, messages.c.id)
    )
    return [
        {
            "id": row.id,
            "ticket": row.ticket,
            "kind": row.kind,
            "at": iso(row.at),
            "text": row.text,
        }
        for row in rows
    ]


def _files(tx: Connection, viewer: Viewer) -> list[dict[str, Any]]:
    mine = select_shown(viewer).where(files.c.uploader == viewer.person)
    rows = tx.execute(mine.order_by(files.c.id))
    return [
        {
            "id": row.id,
            "ticket": row.ticket,
            "message": row.message,
            "name": row.name,
            "type": row.type,
            "size": row.size,
            "created_at": iso(row.created_at),
            "path": f"files/{row.id}/{FORBIDDEN.sub('_', row.name)}",
        }
        for row in rows
    ]


def _iso(at: Millis | None) -> str | None:
    return None if at is None else iso(at)

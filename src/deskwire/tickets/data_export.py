"""Export what is stored about one person as a ZIP: `data.json` and the files they uploaded.

Of requests it contains only what the person may still see.

    data.json                account, memberships, requests, messages, and what the files are
    picture.webp             their avatar, if they have one
    files/ID/holiday.png     each file, under the name it was uploaded with
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from deskwire.accounts import identities, people, sessions
from deskwire.accounts.people import Person
from deskwire.events.access import Access, Viewer
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis, format_iso
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.store import NoSuchKey, Store
from deskwire.kit.threads import DaemonThreadPool
from deskwire.kit.zip_writer import ZipWriter
from deskwire.tickets.files.attachments import files, select_visible_files
from deskwire.tickets.messages import messages
from deskwire.tickets.tables import tickets
from deskwire.tickets.visibility import visible_to
from deskwire.workspaces.organizations.members import list_memberships
from deskwire.workspaces.organizations.permissions import Permission, can

EXPORT_THREADS = DaemonThreadPool("export", 2)  # encoding a long history takes a second
SLICE_SIZE = 64 * 1024  # bytes of data.json deflated at a time: takes a few ms
# In file names on Windows; other forbidden characters were removed when the file was uploaded.
FORBIDDEN_CHARACTERS = re.compile(r'[<>:"|?*]')

logger = logging.getLogger(__name__)


def read_data_export(
    tx: Connection, access: Access, person_id: PersonId, at: Millis
) -> dict[str, Any]:
    """Read what `data.json` contains; no secrets, and no one else's messages.

    Raises NotFound if there is no such person.
    """
    person = people.find(tx, person_id)
    if person is None:
        raise NotFound(gettext("This account doesn’t exist."))
    principals = identities.read_principals(tx, person_id)
    own_principals, viewer = [person_id, *principals], access.read_viewer(tx, person_id)
    return {
        "made_at": format_iso(at),
        "person": _export_person(person),
        "identities": principals,
        "sessions": _export_sessions(tx, person_id, at),
        "memberships": _export_memberships(tx, person_id),
        "tickets": _export_tickets(tx, viewer, own_principals),
        "messages": _export_messages(tx, viewer, own_principals),
        "files": _export_files(tx, viewer),
    }


async def stream_archive(
    store: Store, export: dict[str, Any], avatar_key: str | None
) -> AsyncIterator[bytes]:
    """Yield a ZIP of `export` (from `read_data_export`) and the files it names.

    `avatar_key`: key of the avatar in the store. A file the store has lost is left out and has no
    `path` in `data.json`, which is therefore the last member.
    """
    archive, made_at = ZipWriter(), datetime.fromisoformat(export["made_at"])
    members = [(each["id"], each, each["created_at"]) for each in export["files"]]
    if avatar_key is not None:
        export["person"]["path"] = "picture.webp"
        members.append((avatar_key, export["person"], export["made_at"]))
    for key, entry, at in members:
        try:
            size, chunks = await store.size(key), await store.open(key)
        except NoSuchKey:
            logger.error("the store does not have %s, which a row refers to", key)  # noqa: TRY400
            entry["path"] = None
            continue
        modified_at = datetime.fromisoformat(at)
        async with aclosing(
            archive.add_file(entry["path"], modified_at, size, chunks, compress=False)
        ) as parts:
            async for part in parts:
                yield part
    data = await EXPORT_THREADS.run(_encode_json, export)
    async for part in archive.add_file(
        "data.json", made_at, len(data), _iter_slices(data), compress=True
    ):
        yield part
    yield archive.finish()


def _encode_json(export: dict[str, Any]) -> bytes:
    # Iteratively: `json.dumps` is one C call that would hold the GIL, and with it the event loop.
    parts = json.JSONEncoder(ensure_ascii=False, indent=2).iterencode(export)
    return b"".join(part.encode() for part in parts)


async def _iter_slices(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), SLICE_SIZE):
        yield data[start : start + SLICE_SIZE]


def _export_person(person: Person) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "email": person.email,
        "email_verified_at": _format_optional_time(person.email_verified_at),
        "undeliverable_since": _format_optional_time(person.undeliverable_since),
        "created_at": format_iso(person.created_at),
        "time_zone": person.time_zone,
        "theme": person.theme,
        "seen_at": _format_optional_time(person.seen_at),
        "picture": person.picture,
    }


def _export_sessions(tx: Connection, person_id: PersonId, at: Millis) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "created_at": format_iso(each.created_at),
            "seen_at": format_iso(each.seen_at),
            "browser": each.user_agent,
            "address": each.address,
        }
        for each in sessions.list_sessions(tx, person_id, at)
    ]


def _export_memberships(tx: Connection, person_id: PersonId) -> list[dict[str, Any]]:
    return [
        {"organization": row.name, "role": row.role, "joined_at": format_iso(row.joined_at)}
        for row in list_memberships(tx, person_id)
    ]


def _export_tickets(
    tx: Connection, viewer: Viewer, own_principals: list[str]
) -> list[dict[str, Any]]:
    own = tickets.c.opener.in_(own_principals) & visible_to(viewer)
    rows = tx.execute(select(tickets).where(own).order_by(tickets.c.opened_at, tickets.c.id))
    return [
        {
            "id": row.id,
            "workspace": row.workspace,
            "number": row.number,
            "subject": row.subject,
            "status": row.status,
            "opened_at": format_iso(row.opened_at),
        }
        for row in rows
    ]


def _export_messages(
    tx: Connection, viewer: Viewer, own_principals: list[str]
) -> list[dict[str, Any]]:
    kinds = ("reply", "note") if can(viewer, Permission.NOTE) else ("reply",)
    own = messages.c.author.in_(own_principals) & messages.c.kind.in_(kinds)
    columns = (messages.c.id, messages.c.ticket, messages.c.kind, messages.c.at, messages.c.text)
    rows = tx.execute(
        select(*columns)
        .join(tickets, tickets.c.id == messages.c.ticket)
        .where(own, visible_to(viewer))
        .order_by(messages.c.at, messages.c.id)
    )
    return [
        {
            "id": row.id,
            "ticket": row.ticket,
            "kind": row.kind,
            "at": format_iso(row.at),
            "text": row.text,
        }
        for row in rows
    ]


def _export_files(tx: Connection, viewer: Viewer) -> list[dict[str, Any]]:
    own = select_visible_files(viewer).where(files.c.uploader == viewer.subject)
    rows = tx.execute(own.order_by(files.c.id))
    return [
        {
            "id": row.id,
            "ticket": row.ticket,
            "message": row.message,
            "name": row.name,
            "type": row.type,
            "size": row.size,
            "created_at": format_iso(row.created_at),
            "path": f"files/{row.id}/{FORBIDDEN_CHARACTERS.sub('_', row.name)}",
        }
        for row in rows
    ]


def _format_optional_time(at: Millis | None) -> str | None:
    return None if at is None else format_iso(at)

"""Fill a database with a company of a thousand members that has one very long request.

the company   1,000 members whose names begin alike, a request with 3,000 replies, and 200,000
              entries of the log, some of them old enough to be deleted
the neighbor another company, with one member and one request
the staff     ten people
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, update

from deskwire.accounts import sessions
from deskwire.accounts.people import people
from deskwire.events import log
from deskwire.events.bus.open_bus import number_on_commit
from deskwire.kit.clock import DAY, now
from deskwire.kit.ids import new_id
from deskwire.server.open_database import open_database
from deskwire.server.services import ACCESS
from deskwire.tickets.actions import create
from deskwire.tickets.actions.create import RequestInput
from deskwire.tickets.messages import messages
from deskwire.tickets.search_index import reindex_replies
from deskwire.tickets.tables import tickets
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.organizations import (
    organization_members,
    organizations,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.staff import upsert_staff_row

MEMBER_COUNT, STAFF_COUNT = 1_000, 10
REPLY_COUNT = 3_000  # in the long request
ENTRY_COUNT = 200_000  # in the log, of the company
OLD_ENTRY_COUNT = 20_000  # of them, older than LOG_DAYS keeps
ENTRY_TEXT = "A reply of common size. " * 8
WORDS_PER_REPLY = 20
BATCH_SIZE = 5_000  # rows


@dataclass(frozen=True, slots=True)
class BusyCompany:
    """The ids of the two requests, and tokens of sessions."""

    request: str
    organization: str
    neighbor_request: str
    member_tokens: list[str]
    staff_tokens: list[str]
    neighbor_token: str


def fill_database(
    url: str,
    session_count: int,
    entry_count: int = ENTRY_COUNT,
    old_entry_count: int = OLD_ENTRY_COUNT,
) -> BusyCompany:
    """Create the database; `session_count` members and all staff have a session."""
    opened = open_database(url)
    db = number_on_commit(opened.db)
    try:
        company, request = new_id(), new_id()
        for first in range(0, entry_count, BATCH_SIZE):  # the oldest entries of the log come first
            old_count = min(max(old_entry_count - first, 0), BATCH_SIZE)
            db.write_sync(_insert_entries, f"org:{company}", request, old_count)
        members = db.write_sync(_create_company, company, "busy", MEMBER_COUNT, request)
        neighbor_request = new_id()
        [neighbor] = db.write_sync(_create_company, new_id(), "neighbor", 1, neighbor_request)
        staff = db.write_sync(_create_staff)
        db.write_sync(_insert_replies, request, members)
        member_tokens = db.write_sync(_create_sessions, members[:session_count])
        staff_tokens = db.write_sync(_create_sessions, staff)
        [token] = db.write_sync(_create_sessions, [neighbor])
    finally:
        opened.close()
    return BusyCompany(request, company, neighbor_request, member_tokens, staff_tokens, token)


def _create_company(tx: Connection, id_: str, slug: str, count: int, request: str) -> list[str]:
    """Create a company with `count` members and a request; return the members' ids."""
    at = now()
    ids = [new_id() for _ in range(count)]
    company = {"id": id_, "slug": slug, "name": slug.title(), "internal": False}
    tx.execute(insert(organizations).values(company | {"created_at": at, "revision": 1}))
    _insert_people(tx, ids, slug.title())
    rows = [
        {"organization": id_, "person": person, "role": "admin", "revision": 1} for person in ids
    ]
    tx.execute(insert(organization_members), rows)
    actor = Actor(ACCESS.read_viewer(tx, ids[0]), at)
    organization = read_visible_by_id(tx, actor.viewer, id_)
    request_input = RequestInput(request, "The crane", "It does not move.")
    create.create_request(tx, actor, organization, request_input)
    return ids


def _create_staff(tx: Connection) -> list[str]:
    ids = [new_id() for _ in range(STAFF_COUNT)]
    _insert_people(tx, ids, "Staff")
    for person in ids:
        upsert_staff_row(tx, person, "support_analyst", now())
    return ids


def _insert_people(tx: Connection, ids: list[str], name: str) -> None:
    rows = [
        {"id": id_, "name": f"{name} Member {number}", "revision": 1, "created_at": now()}
        for number, id_ in enumerate(ids)
    ]
    tx.execute(insert(people), rows)


def _create_sessions(tx: Connection, ids: list[str]) -> list[str]:
    return [
        sessions.create(tx, id_, user_agent="bench", client_ip=None, at=now()).token for id_ in ids
    ]


def _insert_replies(tx: Connection, request: str, authors: list[str]) -> None:
    """Insert replies with so many different words that the search entry is full."""
    rng, at = random.Random(1), now()
    letters = "abcdefghijklmnopqrstuvwxyz"
    for first in range(0, REPLY_COUNT, BATCH_SIZE):
        rows: list[dict[str, Any]] = []
        for number in range(first, min(first + BATCH_SIZE, REPLY_COUNT)):
            text = " ".join("".join(rng.choices(letters, k=6)) for _ in range(WORDS_PER_REPLY))
            row = {"id": new_id(), "ticket": request, "kind": "reply", "origin": "portal"}
            row |= {"type": "ticket.message_sent", "side": "customer", "text": text}
            row |= {"author": authors[number % len(authors)], "html": f"<p>{text}</p>"}
            rows.append(row | {"at": at, "data": '{"mentions": {}}', "revision": 1})
        tx.execute(insert(messages), rows)
    values = {"messages": REPLY_COUNT + 1, "revision": tickets.c.revision + 1}
    tx.execute(update(tickets).where(tickets.c.id == request).values(values))
    reindex_replies(tx, request)


def _insert_entries(tx: Connection, workspace: str, request: str, old_count: int) -> None:
    rows = list(_generate_entries(workspace, request, old_count))
    columns = log.log.c.keys()
    tx.execute(insert(log.log), [{k: v for k, v in row.items() if k in columns} for row in rows])


def _generate_entries(workspace: str, request: str, old_count: int) -> Iterator[dict[str, Any]]:
    at = now()
    for number in range(BATCH_SIZE):
        data = {"ticket": request, "messageId": new_id(), "content": ENTRY_TEXT}
        yield {
            "type": "ticket.message_sent",
            "at": at - 200 * DAY if number < old_count else at,
            "workspace": workspace,
            "ticket": request,
            "actor": "bench",
            "channels": json.dumps([workspace]),
            "touches": "[]",
            "data": json.dumps(data),
        }

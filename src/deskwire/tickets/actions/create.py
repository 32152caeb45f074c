"""Filing a request: its number, its first fact, its description, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, text

from deskwire.events.channels import PersonId
from deskwire.kit.db import lock
from deskwire.kit.errors import Conflict, Invalid, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id, new_id
from deskwire.tickets import messages
from deskwire.tickets.actions import post_message
from deskwire.tickets.actions.post_message import Written
from deskwire.tickets.actions.record import record
from deskwire.tickets.participants import read_circle
from deskwire.tickets.search_index import record_head
from deskwire.tickets.tables import tickets
from deskwire.tickets.timeline_text import PRIORITY_LABELS
from deskwire.tickets.validation import parse_subject, parse_text
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.organizations import Organization, read_categories
from deskwire.workspaces.organizations.permissions import Right, demand


@dataclass(frozen=True, slots=True)
class Filing:
    """A request as somebody has typed it. `id`: chosen by their screen; twice sent, once filed."""

    id: str
    subject: str
    text: str
    category: str | None = None
    priority: str | None = None
    files: Sequence[str] = ()
    requester: PersonId | None = None  # None: who files it


def file_request(tx: Connection, deed: Deed, place: Organization, filing: Filing) -> Row[Any]:
    """File a request in an organization the viewer may see; the ticket's row.

    The same id again by the same person gives what was filed before.
    """
    if place.internal:
        raise NotFound(gettext("There is no such organization, or it is not shared with you."))
    if (known := _known(tx, deed, place, filing.id)) is not None:
        return known
    demand(deed.viewer, Right.FILE, place.workspace)
    requester = _requester(tx, deed, place, filing)
    subject, described = _parse(filing)
    category = _category(tx, place, filing.category)
    row = _insert(tx, deed, place, filing.id, requester)
    values = {
        "subject": subject,
        "opener": requester,
        "status": "new",
        "category": category,
        "priority": filing.priority or None,
        "opened_at": deed.at,
    }
    wire = {
        "subject": subject,
        "openerId": requester,
        "openerUsername": read_names(tx, [requester])[requester].name,
    }
    if category is not None:
        wire["categoryId"] = category
    row = record(tx, deed, row, "ticket.created", values, wire)
    post_message.add(tx, deed, row, Written(new_id(), described, files=filing.files), opens=True)
    return row


def _known(tx: Connection, deed: Deed, place: Organization, id_: str) -> Row[Any] | None:
    if not is_id(id_):
        raise Invalid(
            gettext("A request's id is a UUIDv7 in lower case."), {"id": gettext("Not a UUIDv7")}
        )
    lock(tx, f"request {id_}")  # or of two who send it at once, one would break
    known = tx.execute(select(tickets).where(tickets.c.id == id_)).one_or_none()
    if known is None:
        return None
    filed = messages.read_newest(tx, id_, "ticket.created")
    is_theirs = filed is not None and filed.author == deed.person
    if known.workspace != place.workspace or not is_theirs:
        raise Conflict(gettext("This id is another request's. Send it again with a new one."))
    return known


def _requester(tx: Connection, deed: Deed, place: Organization, filing: Filing) -> PersonId:
    if filing.requester is None or filing.requester == deed.person:
        return deed.person
    demand(deed.viewer, Right.FILE_FOR_OTHERS, place.workspace)
    if filing.requester not in read_circle(tx, place.workspace).members:
        sentence = gettext("Choose somebody of %(place)s.", place=place.name)
        raise Invalid(sentence, {"requester": sentence})
    return filing.requester


def _parse(filing: Filing) -> tuple[str, str]:
    problems: dict[str, str] = {}
    subject = described = ""
    try:
        subject = parse_subject(filing.subject)
    except Invalid as refusal:
        problems |= refusal.fields
    try:
        described = parse_text(filing.text)
    except Invalid as refusal:
        problems |= refusal.fields
    if filing.priority and filing.priority not in PRIORITY_LABELS:
        problems["priority"] = gettext("One of %(words)s.", words=", ".join(PRIORITY_LABELS))
    if problems:
        raise Invalid(" ".join(problems.values()), problems)
    return subject, described


def _category(tx: Connection, place: Organization, wanted: str | None) -> str | None:
    if not wanted:
        return None
    known = read_categories(tx, place.id)
    if not any(each.id == wanted and not each.archived for each in known):
        raise Invalid(
            gettext("Choose a category of the list."),
            {"category": gettext("Choose one of the list.")},
        )
    return wanted


def _insert(
    tx: Connection, deed: Deed, place: Organization, id_: str, requester: PersonId
) -> Row[Any]:
    number = tx.execute(_NEXT, {"organization": place.id}).scalar_one()
    row = {
        "id": id_,
        "workspace": place.workspace,
        "number": number,
        "status": "new",
        "tags": json.dumps([]),
        "messages": 0,
        "opened_at": deed.at,
        "active_at": deed.at,
        "revision": 1,
    }
    tx.execute(insert(tickets).values(row))
    made = tx.execute(select(tickets).where(tickets.c.id == id_)).one()
    record_head(tx, made)
    return made


_NEXT = text(
    "INSERT INTO request_numbers (organization, last) VALUES (:organization, 1) "
    "ON CONFLICT (organization) DO UPDATE SET last = request_numbers.last + 1 RETURNING last"
)

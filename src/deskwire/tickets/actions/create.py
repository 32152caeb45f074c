"""Filing a request: its number, its first fact, its description, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, text

from deskwire.events.channels import PersonId
from deskwire.kit.db import acquire_advisory_lock
from deskwire.kit.errors import Conflict, Invalid, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id, new_id
from deskwire.tickets import messages
from deskwire.tickets.actions import post_message
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.actions.record import record_request_fact
from deskwire.tickets.participants import read_request_people
from deskwire.tickets.search_index import index_ticket
from deskwire.tickets.tables import tickets
from deskwire.tickets.timeline_text import PRIORITY_LABELS
from deskwire.tickets.validation import parse_subject, parse_text
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.categories import read_categories
from deskwire.workspaces.organizations.organizations import Organization
from deskwire.workspaces.organizations.permissions import Permission, require


@dataclass(frozen=True, slots=True)
class RequestInput:
    """A request as somebody has typed it. `id`: chosen by their screen; twice sent, once filed."""

    id: str
    subject: str
    text: str
    category: str | None = None
    priority: str | None = None
    file_ids: Sequence[str] = ()
    requester: PersonId | None = None  # None: who files it


def create_request(
    tx: Connection, actor: Actor, organization: Organization, request_input: RequestInput
) -> Row[Any]:
    """File a request in an organization the viewer may see; the ticket's row.

    The same id again by the same person gives what was filed before.
    """
    if organization.internal:
        raise NotFound(gettext("There is no such organization, or it is not shared with you."))
    if (known := _find_existing_request(tx, actor, organization, request_input.id)) is not None:
        return known
    require(actor.viewer, Permission.FILE, organization.workspace)
    requester = _resolve_requester(tx, actor, organization, request_input)
    subject, described = _parse_input(request_input)
    category = _parse_category(tx, organization, request_input.category)
    row = _insert_ticket(tx, actor, organization, request_input.id, requester)
    values = {
        "subject": subject,
        "opener": requester,
        "status": "new",
        "category": category,
        "priority": request_input.priority or None,
        "opened_at": actor.at,
    }
    wire = {
        "subject": subject,
        "openerId": requester,
        "openerUsername": read_names(tx, [requester])[requester].name,
    }
    if category is not None:
        wire["categoryId"] = category
    row = record_request_fact(tx, actor, row, "ticket.created", values, wire)
    post_message.record_new_message(
        tx,
        actor,
        row,
        MessageInput(new_id(), described, file_ids=request_input.file_ids),
        is_description=True,
    )
    return row


def _find_existing_request(
    tx: Connection, actor: Actor, organization: Organization, request_id: str
) -> Row[Any] | None:
    if not is_id(request_id):
        raise Invalid(
            gettext("A request's id is a UUIDv7 in lower case."), {"id": gettext("Not a UUIDv7")}
        )
    acquire_advisory_lock(
        tx, f"request {request_id}"
    )  # or of two who send it at once, one would break
    known = tx.execute(select(tickets).where(tickets.c.id == request_id)).one_or_none()
    if known is None:
        return None
    filed = messages.find_newest_of_type(tx, request_id, "ticket.created")
    is_theirs = filed is not None and filed.author == actor.person_id
    if known.workspace != organization.workspace or not is_theirs:
        raise Conflict(gettext("This id is another request's. Send it again with a new one."))
    return known


def _resolve_requester(
    tx: Connection, actor: Actor, organization: Organization, request_input: RequestInput
) -> PersonId:
    if request_input.requester is None or request_input.requester == actor.person_id:
        return actor.person_id
    require(actor.viewer, Permission.FILE_FOR_OTHERS, organization.workspace)
    if request_input.requester not in read_request_people(tx, organization.workspace).members:
        sentence = gettext("Choose somebody of %(place)s.", place=organization.name)
        raise Invalid(sentence, {"requester": sentence})
    return request_input.requester


def _parse_input(request_input: RequestInput) -> tuple[str, str]:
    problems: dict[str, str] = {}
    subject = described = ""
    try:
        subject = parse_subject(request_input.subject)
    except Invalid as refusal:
        problems |= refusal.fields
    try:
        described = parse_text(request_input.text)
    except Invalid as refusal:
        problems |= refusal.fields
    if request_input.priority and request_input.priority not in PRIORITY_LABELS:
        problems["priority"] = gettext("One of %(words)s.", words=", ".join(PRIORITY_LABELS))
    if problems:
        raise Invalid(" ".join(problems.values()), problems)
    return subject, described


def _parse_category(
    tx: Connection, organization: Organization, category_id: str | None
) -> str | None:
    if not category_id:
        return None
    known = read_categories(tx, organization.id)
    if not any(each.id == category_id and not each.archived for each in known):
        raise Invalid(
            gettext("Choose a category of the list."),
            {"category": gettext("Choose one of the list.")},
        )
    return category_id


def _insert_ticket(
    tx: Connection, actor: Actor, organization: Organization, request_id: str, requester: PersonId
) -> Row[Any]:
    number = tx.execute(_NEXT_NUMBER, {"organization": organization.id}).scalar_one()
    row = {
        "id": request_id,
        "workspace": organization.workspace,
        "number": number,
        "status": "new",
        "tags": json.dumps([]),
        "messages": 0,
        "opened_at": actor.at,
        "active_at": actor.at,
        "revision": 1,
    }
    tx.execute(insert(tickets).values(row))
    made = tx.execute(select(tickets).where(tickets.c.id == request_id)).one()
    index_ticket(tx, made)
    return made


_NEXT_NUMBER = text(
    "INSERT INTO request_numbers (organization, last) VALUES (:organization, 1) "
    "ON CONFLICT (organization) DO UPDATE SET last = request_numbers.last + 1 RETURNING last"
)

"""Create a request: its number, its first fact and its description, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, text

from deskwire.events.channels import PersonId
from deskwire.kit.db import acquire_advisory_lock
from deskwire.kit.errors import Conflict, Invalid, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id, new_id
from deskwire.kit.rows import fetch_first, fetch_one
from deskwire.tickets import messages
from deskwire.tickets.actions import post_message
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.actions.record import record_request_fact
from deskwire.tickets.participants import is_member
from deskwire.tickets.prepared_text import EMPTY_TEXT, PreparedText, parse_input
from deskwire.tickets.priorities import PRIORITY_LABELS
from deskwire.tickets.tables import TicketRow, tickets
from deskwire.tickets.validation import parse_subject
from deskwire.tickets.visibility import visible_to
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.categories import read_categories
from deskwire.workspaces.organizations.organizations import Organization
from deskwire.workspaces.organizations.permissions import Permission, require


@dataclass(frozen=True, slots=True)
class RequestInput:
    """A new request, unchecked.

    The client chooses the id, so that a request that is sent twice is created once.
    """

    id: str
    subject: str
    text: str | PreparedText
    category: str | None = None
    priority: str | None = None
    file_ids: Sequence[str] = ()
    requester: PersonId | None = None  # None: the actor


class ExistingRequestRow(TicketRow):
    """A row of `tickets`, and whether the viewer may see it."""

    is_visible: bool


def create_request(
    tx: Connection, actor: Actor, organization: Organization, request_input: RequestInput
) -> TicketRow:
    """Create a request in an organization the viewer may see. Return the ticket's row.

    The same id by the same person returns the request that exists, as long as they may see it.
    Raises Conflict for an id that is taken, Invalid for values that are not allowed, Forbidden
    without the permission to create requests (for others), and NotFound for the internal
    organization.
    """
    if organization.internal:
        raise NotFound(gettext("This organization doesn’t exist, or you don’t have access to it."))
    require(actor.viewer, Permission.FILE, organization.workspace)
    if (existing := _find_existing_request(tx, actor, organization, request_input.id)) is not None:
        return existing
    requester = _resolve_requester(tx, actor, organization, request_input)
    subject, description = _parse_input(request_input)
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
        MessageInput(new_id(), description, file_ids=request_input.file_ids),
        description,
        is_description=True,
    )
    return row


def _find_existing_request(
    tx: Connection, actor: Actor, organization: Organization, request_id: str
) -> TicketRow | None:
    if not is_id(request_id):
        raise Invalid(
            gettext("A request ID must be a lowercase UUIDv7."), {"id": gettext("Not a UUIDv7")}
        )
    acquire_advisory_lock(tx, f"request {request_id}")  # of two at once, the second waits
    query = select(tickets, visible_to(actor.viewer).label("is_visible"))
    existing = fetch_first(tx, query.where(tickets.c.id == request_id), ExistingRequestRow)
    if existing is None:
        return None
    created = messages.find_newest_of_type(tx, request_id, "ticket.created")
    is_theirs = created is not None and created.author == actor.subject
    # Those who filed it for someone else may have lost sight of it.
    is_here = existing.workspace == organization.workspace and existing.is_visible
    if not is_here or not is_theirs:
        raise Conflict(
            gettext("This ID belongs to another request. Send yours again with a new ID.")
        )
    return existing


def _resolve_requester(
    tx: Connection, actor: Actor, organization: Organization, request_input: RequestInput
) -> PersonId:
    if request_input.requester is None or request_input.requester == actor.subject:
        return actor.subject
    require(actor.viewer, Permission.FILE_FOR_OTHERS, organization.workspace)
    if not is_member(tx, organization.workspace, request_input.requester):
        sentence = gettext("Choose a member of %(place)s.", place=organization.name)
        raise Invalid(sentence, {"requester": sentence})
    return request_input.requester


def _parse_input(request_input: RequestInput) -> tuple[str, PreparedText]:
    problems: dict[str, str] = {}
    subject, description = "", EMPTY_TEXT
    try:
        subject = parse_subject(request_input.subject)
    except Invalid as refusal:
        problems |= refusal.fields
    try:
        description = parse_input(request_input.text)
    except Invalid as refusal:
        problems |= refusal.fields
    if request_input.priority and request_input.priority not in PRIORITY_LABELS:
        problems["priority"] = gettext(
            "Choose one of: %(words)s.", words=", ".join(PRIORITY_LABELS)
        )
    if problems:
        raise Invalid(" ".join(problems.values()), problems)
    return subject, description


def _parse_category(
    tx: Connection, organization: Organization, category_id: str | None
) -> str | None:
    if not category_id:
        return None
    categories = read_categories(tx, organization.id)
    if not any(each.id == category_id and not each.archived for each in categories):
        raise Invalid(
            gettext("Choose a category from the list."),
            {"category": gettext("Choose one from the list.")},
        )
    return category_id


def _insert_ticket(
    tx: Connection, actor: Actor, organization: Organization, request_id: str, requester: PersonId
) -> TicketRow:
    number = tx.execute(_NEXT_NUMBER, {"organization": organization.id}).scalar_one()
    values = {
        "id": request_id,
        "workspace": organization.workspace,
        "number": number,
        "status": "new",
        "tags": json.dumps([]),
        "messages": 1,  # its description
        "opened_at": actor.at,
        "active_at": actor.at,
        "spoken_at": actor.at,
        "spoken_by": actor.subject,
        "revision": 1,
    }
    return fetch_one(tx, _INSERT_TICKET, TicketRow, values)


_INSERT_TICKET = insert(tickets).returning(tickets)
_NEXT_NUMBER = text(
    "INSERT INTO request_numbers (organization, last) VALUES (:organization, 1) "
    "ON CONFLICT (organization) DO UPDATE SET last = request_numbers.last + 1 RETURNING last"
)

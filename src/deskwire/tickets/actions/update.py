"""Change a request: its fields, its watchers, its deletion.

Each change is a fact with the exact values it sets, stored as a system line. The state is folded
from all facts by time; direct edits and what senders report are facts among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from deskwire.events import channels
from deskwire.events.channels import PersonId
from deskwire.kit.errors import Conflict, NotFound
from deskwire.kit.i18n import gettext
from deskwire.tickets.actions.record import (
    lock_for_update,
    record_field_change,
    record_request_fact,
    record_ticket_event,
    update_ticket_row,
)
from deskwire.tickets.field_changes import REOPEN_DAYS, FieldEdit
from deskwire.tickets.participants import is_member, is_staff_member
from deskwire.tickets.request_fields import FIELDS, RequestField
from deskwire.tickets.tables import TicketRow, participants
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.permissions import Permission, require

RequestPatch = Mapping[str, Any]  # new values by the name of the field; all other fields stay


def update(
    tx: Connection,
    actor: Actor,
    ticket_id: str,
    patch: RequestPatch,
    reopen_days: int = REOPEN_DAYS,
) -> TicketRow:
    """Set fields of a request, one fact and event per field that changes. Return the new row.

    Raises NotFound if the viewer may not see the request, Forbidden if they may not change one of
    the fields, Invalid for a value that is not allowed, and KeyError for an unknown field name.
    """
    if unknown := patch.keys() - FIELDS.keys():
        raise KeyError(f"a request has no field {', '.join(sorted(unknown))}")
    row = lock_for_update(tx, actor, ticket_id)
    for name, field in FIELDS.items():
        if name not in patch:
            continue
        _require_may_change(actor, row, field)
        change = field.plan(FieldEdit(tx, actor, row, patch[name], reopen_days))
        if change is not None:
            row = record_field_change(tx, actor, row, change)
    return row


def _require_may_change(actor: Actor, row: TicketRow, field: RequestField) -> None:
    if field.requester_may_edit and row.opener == actor.subject:
        return
    if field.permission is not None:
        require(actor.viewer, field.permission, row.workspace)


def delete_request(tx: Connection, actor: Actor, ticket_id: str) -> None:
    """Delete a request for good. Raises Forbidden without the permission to moderate."""
    row = lock_for_update(tx, actor, ticket_id)
    require(actor.viewer, Permission.MODERATE, row.workspace)
    record_request_fact(
        tx, actor, row, "ticket.deleted", {"deleted_at": actor.at}, {"deletedBy": actor.subject}
    )


def add_watcher(tx: Connection, actor: Actor, ticket_id: str, person: PersonId) -> TicketRow:
    """Make a member or one of the staff a watcher of a request. Return the request's row.

    Raises Forbidden if the person is not the viewer and the viewer is no manager or staff, and
    NotFound if the person is neither a member nor staff.
    """
    row = lock_for_update(tx, actor, ticket_id)
    if person != actor.subject:
        require(actor.viewer, Permission.CANCEL_ANY, row.workspace)
    if not (is_member(tx, row.workspace, person) or is_staff_member(tx, row.workspace, person)):
        raise NotFound(gettext("This person isn’t a member of the organization."))
    participation = (participants.c.ticket == row.id) & (participants.c.principal == person)
    if tx.execute(select(participants.c.role).where(participation)).first() is not None:
        return row
    tx.execute(insert(participants).values(ticket=row.id, principal=person, role="watcher"))
    return _record_participant_event(tx, actor, row, "ticket.participant_added", person)


def remove_watcher(tx: Connection, actor: Actor, ticket_id: str, person: PersonId) -> TicketRow:
    """Remove a watcher from a request. Return the request's row.

    Raises Forbidden as `add_watcher`, and Conflict for the requester.
    """
    row = lock_for_update(tx, actor, ticket_id)
    if person != actor.subject:
        require(actor.viewer, Permission.CANCEL_ANY, row.workspace)
    if person == row.opener:
        raise Conflict(gettext("The requester always takes part in their request."))
    participation = (participants.c.ticket == row.id) & (participants.c.principal == person)
    if tx.execute(delete(participants).where(participation)).rowcount == 0:
        return row
    return _record_participant_event(tx, actor, row, "ticket.participant_removed", person)


def _record_participant_event(
    tx: Connection, actor: Actor, row: TicketRow, type_: str, person: PersonId
) -> TicketRow:
    changed = update_ticket_row(tx, row)
    participant = read_names(tx, [person])[person].model_dump(exclude_unset=True)
    origin = actor.origin(participant=participant, role="watcher")
    record_ticket_event(tx, origin, type_, changed, None, [channels.user(person)])
    return changed

"""What people do to a request here: status, assignee, title, category, priority, labels, watchers.

Each action is a fact with the exact values it sets (`set`), kept as a system line and folded with
all others, so that edits by hand and what other senders tell take their place among them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from deskwire.events import channels
from deskwire.events.channels import PersonId
from deskwire.kit.clock import DAY
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.i18n import gettext
from deskwire.tickets.actions.record import (
    lock_for_update,
    record_request_fact,
    record_status_change,
    record_ticket_event,
    update_ticket_row,
)
from deskwire.tickets.participants import read_request_people
from deskwire.tickets.state import parse_tags
from deskwire.tickets.statuses import ENDED_STATUSES, STATUS_LABELS, Status, to_wire_status
from deskwire.tickets.tables import participants
from deskwire.tickets.timeline_text import PRIORITY_LABELS
from deskwire.tickets.validation import parse_label, parse_subject
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.categories import read_categories
from deskwire.workspaces.organizations.permissions import Permission, can, require

REOPEN_DAYS = 14  # days a client may reopen what was completed; later it is another request
MAX_LABELS = 20  # of one ticket; more say nothing


def set_status(
    tx: Connection, actor: Actor, ticket_id: str, status: Status, reopen_days: int = REOPEN_DAYS
) -> Row[Any]:
    """Give a request another status; the same one again changes nothing."""
    row = lock_for_update(tx, actor, ticket_id)
    if row.status == status:
        return row
    if refusal := transition_refusal(actor, row, status, reopen_days):
        raise Forbidden(refusal)
    return record_status_change(tx, actor, row, status)


def transition_refusal(
    actor: Actor,
    row: Any,  # noqa: ANN401 - a row
    status: Status,
    reopen_days: int = REOPEN_DAYS,
) -> str | None:
    """Why the viewer may not give a request this status, as a sentence; None: they may."""
    if can(actor.viewer, Permission.WORK, row.workspace):
        return None
    is_theirs = row.opener == actor.person_id or can(
        actor.viewer, Permission.CANCEL_ANY, row.workspace
    )
    if not is_theirs:
        return gettext("Only whoever filed a request, or a manager, may cancel or reopen it.")
    if status == "canceled":
        return None if row.status not in ENDED_STATUSES else gettext("It has ended already.")
    if row.status == "done" and status == "active":
        if actor.at - (row.closed_at or 0) < reopen_days * DAY:
            return None
        return gettext(
            "It was completed more than %(days)s days ago. File a new request instead.",
            days=reopen_days,
        )
    return gettext(
        "Only the team can move a request to %(status)s.", status=gettext(STATUS_LABELS[status])
    )


def assign(tx: Connection, actor: Actor, ticket_id: str, assignee: PersonId | None) -> Row[Any]:
    """Give a request to one of the team, or to nobody; what is new becomes active with it."""
    row = lock_for_update(tx, actor, ticket_id)
    require(actor.viewer, Permission.WORK, row.workspace)
    if row.assignee == assignee:
        return row
    if assignee is not None and assignee not in read_request_people(tx, row.workspace).staff:
        raise Invalid(
            gettext("Only somebody of the team can be assigned."),
            {"assignee": gettext("Not of the team")},
        )
    names = read_names(tx, [row.assignee, assignee])
    values: dict[str, Any] = {"assignee": assignee}
    if assignee is not None and row.status == "new":
        values["status"] = "active"
    if assignee == actor.person_id:
        return record_request_fact(
            tx, actor, row, "ticket.claimed", values, _build_claimed_fields(actor, row, values)
        )
    before = names[row.assignee] if row.assignee else None
    wire = {
        "actorId": actor.person_id,
        "before": before.model_dump(exclude_unset=True) if before else None,
    }
    if assignee is None:
        return record_request_fact(tx, actor, row, "ticket.unclaimed", values, wire)
    return record_request_fact(
        tx,
        actor,
        row,
        "ticket.assigned",
        values,
        wire,
        display_values={"assignee": names[assignee].name},
    )


def _build_claimed_fields(actor: Actor, row: Row[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "oldStatus": to_wire_status(row.status, is_assigned=row.assignee is not None),
        "newStatus": to_wire_status(values.get("status", row.status), is_assigned=True),
        "actorId": actor.person_id,
    }


def set_subject(tx: Connection, actor: Actor, ticket_id: str, subject: str) -> Row[Any]:
    """Give a request another title: its requester, a manager, or the team."""
    row = lock_for_update(tx, actor, ticket_id)
    if row.opener != actor.person_id:
        require(actor.viewer, Permission.CANCEL_ANY, row.workspace)
    title = parse_subject(subject)
    if title == row.subject:
        return row
    return _record_update(
        tx, actor, row, {"subject": title}, subject={"old": row.subject, "new": title}
    )


def set_category(tx: Connection, actor: Actor, ticket_id: str, category: str | None) -> Row[Any]:
    """Put a request into another category of its organization, or into none."""
    row = lock_for_update(tx, actor, ticket_id)
    require(actor.viewer, Permission.WORK, row.workspace)
    if category == row.category:
        return row
    known = read_categories(tx, row.workspace.removeprefix("org:"))
    names = {each.id: each.name for each in known}
    if category is not None and category not in names:
        raise Invalid(
            gettext("There is no such category."), {"category": gettext("Choose one of the list")}
        )
    old, new = names.get(row.category), names.get(category or "")
    shown = {"category": new} if new else {}
    changes = {"category": {"old": old, "new": new}}
    return _record_update(tx, actor, row, {"category": category}, display_values=shown, **changes)


def set_priority(tx: Connection, actor: Actor, ticket_id: str, priority: str | None) -> Row[Any]:
    """Say how urgent a request is; None: nothing is said."""
    row = lock_for_update(tx, actor, ticket_id)
    require(actor.viewer, Permission.WORK, row.workspace)
    if priority is not None and priority not in PRIORITY_LABELS:
        raise Invalid(
            gettext("%(priority)s is no priority.", priority=repr(priority)),
            {"priority": gettext("One of %(words)s", words=", ".join(PRIORITY_LABELS))},
        )
    if priority == row.priority:
        return row
    changes = {"priority": {"old": row.priority, "new": priority}}
    return _record_update(tx, actor, row, {"priority": priority}, **changes)


def update_labels(
    tx: Connection,
    actor: Actor,
    ticket_id: str,
    *,
    add: Collection[str] = (),
    remove: Collection[str] = (),
) -> Row[Any]:
    """Put labels on a request, and take some off."""
    row = lock_for_update(tx, actor, ticket_id)
    require(actor.viewer, Permission.WORK, row.workspace)
    held = set(parse_tags(row.tags) or [])
    added = {parse_label(each) for each in add} - held
    removed = held.intersection(remove)
    if not added and not removed:
        return row
    now = sorted((held | added) - removed)
    if len(now) > MAX_LABELS:
        raise Invalid(
            gettext("A request has at most %(most)s labels.", most=MAX_LABELS),
            {"label": gettext("Too many")},
        )
    changed = {"added": sorted(added), "removed": sorted(removed)}
    shown = {f"labels_{word}": names for word, names in changed.items() if names}
    return _record_update(tx, actor, row, {"tags": now}, display_values=shown, tags=changed)


def _record_update(
    tx: Connection,
    actor: Actor,
    row: Row[Any],
    values: dict[str, Any],
    *,
    display_values: Mapping[str, Any] | None = None,
    **changes: Any,  # noqa: ANN401 - JSON
) -> Row[Any]:
    wire = {"changes": changes, "actorId": actor.person_id}
    return record_request_fact(
        tx, actor, row, "ticket.updated", values, wire, display_values=display_values
    )


def delete_request(tx: Connection, actor: Actor, ticket_id: str) -> None:
    """Delete a request, which nobody gets back: for the team's moderators."""
    row = lock_for_update(tx, actor, ticket_id)
    require(actor.viewer, Permission.MODERATE, row.workspace)
    record_request_fact(
        tx, actor, row, "ticket.deleted", {"deleted_at": actor.at}, {"deletedBy": actor.person_id}
    )


def add_watcher(tx: Connection, actor: Actor, ticket_id: str, person: PersonId) -> Row[Any]:
    """Have a member follow a request: oneself, or, for a manager and the team, somebody else."""
    row = lock_for_update(tx, actor, ticket_id)
    if person != actor.person_id:
        require(actor.viewer, Permission.CANCEL_ANY, row.workspace)
    circle = read_request_people(tx, row.workspace)
    if person not in circle.members and person not in circle.staff:
        raise NotFound(gettext("There is no such member of this organization."))
    here = (participants.c.ticket == row.id) & (participants.c.principal == person)
    if tx.execute(select(participants.c.role).where(here)).first() is not None:
        return row
    tx.execute(insert(participants).values(ticket=row.id, principal=person, role="watcher"))
    return _record_participant_event(tx, actor, row, "ticket.participant_added", person)


def remove_watcher(tx: Connection, actor: Actor, ticket_id: str, person: PersonId) -> Row[Any]:
    """Have somebody follow a request no more. Conflict for whoever filed it."""
    row = lock_for_update(tx, actor, ticket_id)
    if person != actor.person_id:
        require(actor.viewer, Permission.CANCEL_ANY, row.workspace)
    if person == row.opener:
        raise Conflict(gettext("Whoever filed a request always takes part in it."))
    here = (participants.c.ticket == row.id) & (participants.c.principal == person)
    if tx.execute(delete(participants).where(here)).rowcount == 0:
        return row
    return _record_participant_event(tx, actor, row, "ticket.participant_removed", person)


def _record_participant_event(
    tx: Connection, actor: Actor, row: Row[Any], type_: str, person: PersonId
) -> Row[Any]:
    changed = update_ticket_row(tx, row)
    who = read_names(tx, [person])[person]
    origin = actor.origin(participant=who.model_dump(exclude_unset=True), role="watcher")
    own = channels.user(person)
    record_ticket_event(tx, origin, type_, changed, None, [own], extra_channels=[own])
    return changed

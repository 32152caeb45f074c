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
    hold,
    raised,
    record,
    set_status,
    tell,
)
from deskwire.tickets.participants import read_circle
from deskwire.tickets.state import parse_tags
from deskwire.tickets.statuses import ENDED, LABELS, Status, to_wire
from deskwire.tickets.tables import participants
from deskwire.tickets.timeline_text import PRIORITY_LABELS
from deskwire.tickets.validation import parse_label, parse_subject
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.organizations import read_categories
from deskwire.workspaces.organizations.permissions import Right, demand, may

REOPEN_DAYS = 14  # days a client may reopen what was completed; later it is another request
MAX_LABELS = 20  # of one ticket; more say nothing


def move(
    tx: Connection, deed: Deed, ticket_id: str, status: Status, reopen_days: int = REOPEN_DAYS
) -> Row[Any]:
    """Give a request another status; the same one again changes nothing."""
    row = hold(tx, deed, ticket_id)
    if row.status == status:
        return row
    if refusal := why_not_move(deed, row, status, reopen_days):
        raise Forbidden(refusal)
    return set_status(tx, deed, row, status)


def why_not_move(
    deed: Deed,
    row: Any,  # noqa: ANN401 - a row
    status: Status,
    reopen_days: int = REOPEN_DAYS,
) -> str | None:
    """Why the viewer may not give a request this status, as a sentence; None: they may."""
    if may(deed.viewer, Right.WORK, row.workspace):
        return None
    is_theirs = row.opener == deed.person or may(deed.viewer, Right.CANCEL_ANY, row.workspace)
    if not is_theirs:
        return gettext("Only whoever filed a request, or a manager, may cancel or reopen it.")
    if status == "canceled":
        return None if row.status not in ENDED else gettext("It has ended already.")
    if row.status == "done" and status == "active":
        if deed.at - (row.closed_at or 0) < reopen_days * DAY:
            return None
        return gettext(
            "It was completed more than %(days)s days ago. File a new request instead.",
            days=reopen_days,
        )
    return gettext(
        "Only the team can move a request to %(status)s.", status=gettext(LABELS[status])
    )


def assign(tx: Connection, deed: Deed, ticket_id: str, to: PersonId | None) -> Row[Any]:
    """Give a request to one of the team, or to nobody; what is new becomes active with it."""
    row = hold(tx, deed, ticket_id)
    demand(deed.viewer, Right.WORK, row.workspace)
    if row.assignee == to:
        return row
    if to is not None and to not in read_circle(tx, row.workspace).staff:
        raise Invalid(
            gettext("Only somebody of the team can be assigned."),
            {"assignee": gettext("Not of the team")},
        )
    names = read_names(tx, [row.assignee, to])
    values: dict[str, Any] = {"assignee": to}
    if to is not None and row.status == "new":
        values["status"] = "active"
    if to == deed.person:
        return record(tx, deed, row, "ticket.claimed", values, _claimed(deed, row, values))
    before = names[row.assignee] if row.assignee else None
    wire = {
        "actorId": deed.person,
        "before": before.model_dump(exclude_unset=True) if before else None,
    }
    if to is None:
        return record(tx, deed, row, "ticket.unclaimed", values, wire)
    return record(
        tx, deed, row, "ticket.assigned", values, wire, shown={"assignee": names[to].name}
    )


def _claimed(deed: Deed, row: Row[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "oldStatus": to_wire(row.status, assigned=row.assignee is not None),
        "newStatus": to_wire(values.get("status", row.status), assigned=True),
        "actorId": deed.person,
    }


def retitle(tx: Connection, deed: Deed, ticket_id: str, subject: str) -> Row[Any]:
    """Give a request another title: its requester, a manager, or the team."""
    row = hold(tx, deed, ticket_id)
    if row.opener != deed.person:
        demand(deed.viewer, Right.CANCEL_ANY, row.workspace)
    title = parse_subject(subject)
    if title == row.subject:
        return row
    return _update(tx, deed, row, {"subject": title}, subject={"old": row.subject, "new": title})


def categorise(tx: Connection, deed: Deed, ticket_id: str, category: str | None) -> Row[Any]:
    """Put a request into another category of its organization, or into none."""
    row = hold(tx, deed, ticket_id)
    demand(deed.viewer, Right.WORK, row.workspace)
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
    return _update(tx, deed, row, {"category": category}, shown=shown, **changes)


def prioritise(tx: Connection, deed: Deed, ticket_id: str, priority: str | None) -> Row[Any]:
    """Say how urgent a request is; None: nothing is said."""
    row = hold(tx, deed, ticket_id)
    demand(deed.viewer, Right.WORK, row.workspace)
    if priority is not None and priority not in PRIORITY_LABELS:
        raise Invalid(
            gettext("%(priority)s is no priority.", priority=repr(priority)),
            {"priority": gettext("One of %(words)s", words=", ".join(PRIORITY_LABELS))},
        )
    if priority == row.priority:
        return row
    changes = {"priority": {"old": row.priority, "new": priority}}
    return _update(tx, deed, row, {"priority": priority}, **changes)


def label(
    tx: Connection,
    deed: Deed,
    ticket_id: str,
    *,
    add: Collection[str] = (),
    remove: Collection[str] = (),
) -> Row[Any]:
    """Put labels on a request, and take some off."""
    row = hold(tx, deed, ticket_id)
    demand(deed.viewer, Right.WORK, row.workspace)
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
    return _update(tx, deed, row, {"tags": now}, shown=shown, tags=changed)


def _update(
    tx: Connection,
    deed: Deed,
    row: Row[Any],
    values: dict[str, Any],
    *,
    shown: Mapping[str, Any] | None = None,
    **changes: Any,  # noqa: ANN401 - JSON
) -> Row[Any]:
    wire = {"changes": changes, "actorId": deed.person}
    return record(tx, deed, row, "ticket.updated", values, wire, shown=shown)


def remove(tx: Connection, deed: Deed, ticket_id: str) -> None:
    """Delete a request, which nobody gets back: for the team's moderators."""
    row = hold(tx, deed, ticket_id)
    demand(deed.viewer, Right.MODERATE, row.workspace)
    record(tx, deed, row, "ticket.deleted", {"deleted_at": deed.at}, {"deletedBy": deed.person})


def watch(tx: Connection, deed: Deed, ticket_id: str, person: PersonId) -> Row[Any]:
    """Have a member follow a request: oneself, or, for a manager and the team, somebody else."""
    row = hold(tx, deed, ticket_id)
    if person != deed.person:
        demand(deed.viewer, Right.CANCEL_ANY, row.workspace)
    circle = read_circle(tx, row.workspace)
    if person not in circle.members and person not in circle.staff:
        raise NotFound(gettext("There is no such member of this organization."))
    here = (participants.c.ticket == row.id) & (participants.c.principal == person)
    if tx.execute(select(participants.c.role).where(here)).first() is not None:
        return row
    tx.execute(insert(participants).values(ticket=row.id, principal=person, role="watcher"))
    return _tell_of_participant(tx, deed, row, "ticket.participant_added", person)


def unwatch(tx: Connection, deed: Deed, ticket_id: str, person: PersonId) -> Row[Any]:
    """Have somebody follow a request no more. Conflict for whoever filed it."""
    row = hold(tx, deed, ticket_id)
    if person != deed.person:
        demand(deed.viewer, Right.CANCEL_ANY, row.workspace)
    if person == row.opener:
        raise Conflict(gettext("Whoever filed a request always takes part in it."))
    here = (participants.c.ticket == row.id) & (participants.c.principal == person)
    if tx.execute(delete(participants).where(here)).rowcount == 0:
        return row
    return _tell_of_participant(tx, deed, row, "ticket.participant_removed", person)


def _tell_of_participant(
    tx: Connection, deed: Deed, row: Row[Any], type_: str, person: PersonId
) -> Row[Any]:
    changed = raised(tx, row)
    who = read_names(tx, [person])[person]
    origin = deed.origin(participant=who.model_dump(exclude_unset=True), role="watcher")
    own = channels.user(person)
    tell(tx, origin, type_, changed, None, [own], and_to=[own])
    return changed

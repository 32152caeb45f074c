"""Check new values of a request's fields and work out what each change records.

A `plan_*` function takes the edit of one field and returns its FieldChange, or None if the value
is the current one. It raises Invalid for a value that is not allowed, and Forbidden where the field
has a rule beyond its permission. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from deskwire.kit.clock import DAY
from deskwire.kit.errors import Forbidden, Invalid
from deskwire.kit.i18n import gettext
from deskwire.tickets.participants import is_staff_member
from deskwire.tickets.statuses import (
    ENDED_STATUSES,
    STATUS_LABELS,
    Status,
    parse_status,
    to_wire_status,
)
from deskwire.tickets.tables import TicketRow
from deskwire.tickets.validation import parse_label, parse_subject, parse_tags
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.categories import read_categories
from deskwire.workspaces.organizations.permissions import Permission, can

REOPEN_DAYS = 14  # days a client may reopen a completed request; later, a new one is due
MAX_LABELS = 20  # of one ticket; with more, none of them stands out


@dataclass(frozen=True, slots=True)
class FieldEdit:
    """A new value for one field of a request whose row is locked."""

    tx: Connection
    actor: Actor
    row: TicketRow
    value: Any  # unchecked, as the page, the API or a caller passes it
    reopen_days: int = REOPEN_DAYS


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What a change records: the event's type and own fields, and the fact's stored values.

    `display_values` are the names behind ids in `values`, as the timeline shows them.
    """

    type: str
    values: dict[str, Any]
    wire_fields: Mapping[str, Any]
    display_values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabelChange:
    """Labels to add and to remove; all others stay."""

    add: Collection[str] = ()
    remove: Collection[str] = ()


def plan_subject(edit: FieldEdit) -> FieldChange | None:
    """Plan a new title."""
    title = parse_subject(edit.value)
    if title == edit.row.subject:
        return None
    return _plan_update(edit, "subject", title, edit.row.subject)


def plan_category(edit: FieldEdit) -> FieldChange | None:
    """Plan the move to another category of the organization, or to none."""
    row, category = edit.row, edit.value
    if category == row.category:
        return None
    categories = read_categories(edit.tx, row.workspace.removeprefix("org:"))
    names = {each.id: each.name for each in categories}
    if category is not None and category not in names:
        raise Invalid(
            gettext("This category doesn’t exist."),
            {"category": gettext("Choose one from the list")},
        )
    old, new = names.get(row.category or ""), names.get(category or "")
    return FieldChange(
        "ticket.updated",
        {"category": category},
        _updated_fields(edit.actor, category={"old": old, "new": new}),
        {"category": new} if new else {},
    )


def plan_choice(
    column: str, labels: Mapping[Any, str], refusal_text: str
) -> Callable[[FieldEdit], FieldChange | None]:
    """Return the `plan_*` function of a field that holds a key of `labels`, or None.

    `refusal_text` is a msgid with the refused value as a placeholder named like the column.
    """

    def plan(edit: FieldEdit) -> FieldChange | None:
        current = getattr(edit.row, column)
        if edit.value is not None and edit.value not in labels:
            raise Invalid(
                gettext(refusal_text, **{column: repr(edit.value)}),
                {column: gettext("Choose one of: %(words)s", words=", ".join(labels))},
            )
        return None if edit.value == current else _plan_update(edit, column, edit.value, current)

    return plan


def plan_labels(edit: FieldEdit) -> FieldChange | None:
    """Plan added and removed labels: from a LabelChange, or the full list that is wanted."""
    if isinstance(edit.value, LabelChange):
        return _plan_label_change(edit, edit.value)
    current = set(parse_tags(edit.row.tags) or [])
    try:
        wanted = {parse_label(label) for label in edit.value}
        return _plan_label_change(edit, LabelChange(wanted - current, current - wanted))
    except Invalid as refusal:
        raise Invalid(str(refusal), {"labels": str(refusal)}) from None


def _plan_label_change(edit: FieldEdit, change: LabelChange) -> FieldChange | None:
    current = set(parse_tags(edit.row.tags) or [])
    added = {parse_label(label) for label in change.add} - current
    removed = current.intersection(change.remove)
    if not added and not removed:
        return None
    labels = sorted((current | added) - removed)
    if len(labels) > MAX_LABELS:
        raise Invalid(
            gettext("A request can have at most %(most)s labels.", most=MAX_LABELS),
            {"label": gettext("Too many")},
        )
    changed = {"added": sorted(added), "removed": sorted(removed)}
    return FieldChange(
        "ticket.updated",
        {"tags": labels},
        _updated_fields(edit.actor, tags=changed),
        {f"labels_{key}": names for key, names in changed.items() if names},
    )


def plan_assignee(edit: FieldEdit) -> FieldChange | None:
    """Plan the assignment to a member of the staff, or the removal of the assignee (None).

    A new request becomes active when it is assigned.
    """
    tx, actor, row, assignee = edit.tx, edit.actor, edit.row, edit.value
    if row.assignee == assignee:
        return None
    if assignee is not None and not is_staff_member(tx, row.workspace, assignee):
        raise Invalid(
            gettext("Only team members can be assigned."),
            {"assignee": gettext("Not a team member")},
        )
    values: dict[str, Any] = {"assignee": assignee}
    if assignee is not None and row.status == "new":
        values["status"] = "active"
    if assignee == actor.subject:
        return FieldChange("ticket.claimed", values, _claimed_fields(actor, row, values))
    names = read_names(tx, [row.assignee, assignee])
    before = names[row.assignee] if row.assignee else None
    wire = {
        "actorId": actor.subject,
        "before": before.model_dump(exclude_unset=True) if before else None,
    }
    if assignee is None:
        return FieldChange("ticket.unclaimed", values, wire)
    return FieldChange("ticket.assigned", values, wire, {"assignee": names[assignee].name})


def plan_status(edit: FieldEdit) -> FieldChange | None:
    """Plan the move to another status. Raises Forbidden if the viewer may not."""
    status = parse_status(edit.value)
    if edit.row.status == status:
        return None
    if refusal := transition_refusal(edit.actor, edit.row, status, edit.reopen_days):
        raise Forbidden(refusal)
    return build_status_change(edit.actor, edit.row, status)


def build_status_change(actor: Actor, row: TicketRow, status: Status) -> FieldChange:
    """Describe the move to a status that the caller has found allowed."""
    ends, has_ended = status in ENDED_STATUSES, row.status in ENDED_STATUSES
    type_ = "ticket.closed" if ends else "ticket.reopened" if has_ended else "ticket.status_changed"
    is_assigned = row.assignee is not None
    wire = {
        "oldStatus": to_wire_status(row.status, is_assigned=is_assigned),
        "newStatus": to_wire_status(status, is_assigned=is_assigned),
        "actorId": actor.subject,
    }
    return FieldChange(type_, {"status": status, "closed_at": actor.at if ends else None}, wire)


def transition_refusal(
    actor: Actor, row: TicketRow, status: Status, reopen_days: int = REOPEN_DAYS
) -> str | None:
    """Return the sentence that refuses the viewer this status, or None if they may set it."""
    if can(actor.viewer, Permission.WORK, row.workspace):
        return None
    is_theirs = row.opener == actor.subject or can(
        actor.viewer, Permission.CANCEL_ANY, row.workspace
    )
    if not is_theirs:
        return gettext("Only the requester or a manager can cancel or reopen this request.")
    if status == "canceled":
        return (
            None if row.status not in ENDED_STATUSES else gettext("This request is already closed.")
        )
    if row.status == "done" and status == "active":
        if actor.at - (row.closed_at or 0) < reopen_days * DAY:
            return None
        return gettext(
            "This request was completed more than %(days)s days ago. Submit a new request instead.",
            days=reopen_days,
        )
    return gettext(
        "Only the team can move a request to %(status)s.", status=gettext(STATUS_LABELS[status])
    )


def _plan_update(
    edit: FieldEdit, column: str, new_value: str | None, old_value: str | None
) -> FieldChange:
    changes = {column: {"old": old_value, "new": new_value}}
    return FieldChange(
        "ticket.updated", {column: new_value}, _updated_fields(edit.actor, **changes)
    )


def _updated_fields(actor: Actor, **changes: Mapping[str, Any]) -> dict[str, Any]:
    return {"changes": changes, "actorId": actor.subject}


def _claimed_fields(actor: Actor, row: TicketRow, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "oldStatus": to_wire_status(row.status, is_assigned=row.assignee is not None),
        "newStatus": to_wire_status(values.get("status", row.status), is_assigned=True),
        "actorId": actor.subject,
    }

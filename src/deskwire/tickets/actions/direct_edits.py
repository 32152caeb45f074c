"""What somebody changed of a ticket or a message by hand, told in the events of tickets.

A changed ticket becomes a fact of its own, so that facts told before cannot undo it. A message's
HTML is made anew from its text, whatever is in the column.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from deskwire.kit.errors import NotFound
from deskwire.tickets import messages, search_index
from deskwire.tickets.actions.record import (
    read_participant_channels,
    record_direct_edit,
    record_ticket_event,
    update_opener_participant,
    write_ticket_state,
)
from deskwire.tickets.messages import AddedMessage
from deskwire.tickets.state import DIRECT_EDIT_TYPE, TicketState, find_direct_edits, fold_facts
from deskwire.tickets.statuses import ENDED_STATUSES, to_wire_status
from deskwire.tickets.tables import tickets
from deskwire.tickets.visibility import read_ticket_channels
from deskwire.workspaces.name_index import index_names
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, DirectEdit, Principal

VISIBLE_COLUMNS = ("kind", "side", "author", "at", "html", "text", "type", "data")


def record_ticket_edit(tx: Connection, edit: DirectEdit) -> None:
    """A ticket's row was written, changed or deleted."""
    before, now = edit.before, edit.after
    if now is None:
        _record_ticket_removal(
            tx, edit, before, read_participant_channels(tx, before.id, before.opener)
        )
        return
    facts = messages.read_facts(tx, now.id)
    changes = find_direct_edits(now, fold_facts(facts), include_opened_at=before is None)
    # What an action found first it has kept, but not told: its line is told here, with the edit.
    line: AddedMessage | Row[Any] | None = messages.find_newest_of_type(
        tx, now.id, DIRECT_EDIT_TYPE
    )
    if changes:
        line = record_direct_edit(tx, now.id, changes, edit.at)
    state = TicketState(opener=now.opener, deleted_at=now.deleted_at)
    touched = update_opener_participant(tx, now.id, before, state)
    row = _recompute_derived_columns(tx, now, edit.at if changes else 0)
    if edit.is_changed("workspace"):
        touched = [*touched, *read_participant_channels(tx, now.id)]
        if _is_visible(before):
            _record_ticket_removal(tx, edit, before, touched)
        before = None
    if _is_visible(before) and not _is_visible(row):
        _record_ticket_removal(tx, edit, row, touched)
    elif _is_visible(row):
        type_, wire = _classify_ticket_change(edit, before, row)
        origin = edit.origin(**_build_sender_fields(row), **wire)
        record_ticket_event(tx, origin, type_, row, line, touched)


def record_message_edit(tx: Connection, edit: DirectEdit) -> None:
    """A message's row was written, changed or deleted; NotFound where it is in no ticket."""
    before, now = edit.before, edit.after
    is_elsewhere = now is None or (before is not None and before.ticket != now.ticket)
    if before is not None and is_elsewhere:
        _record_message_change(tx, edit, before.ticket, before, None)
    if now is not None:
        row = tx.execute(
            update(messages.messages)
            .where(messages.messages.c.id == now.id)
            .values(
                html=messages.render_message_html(now), revision=messages.messages.c.revision + 1
            )
            .returning(messages.messages)
        ).one()
        if not _record_message_change(tx, edit, row.ticket, None if is_elsewhere else before, row):
            raise NotFound(f"there is no ticket {row.ticket!r}; correct `ticket`, or delete it")


def _record_message_change(
    tx: Connection,
    edit: DirectEdit,
    ticket_id: str,
    before: Any,  # noqa: ANN401 - rows of any table
    after: Any,  # noqa: ANN401 - rows of any table
) -> bool:
    """What became of a message in one ticket; False where there is none."""
    held = select(tickets).where(tickets.c.id == ticket_id).with_for_update()
    was = tx.execute(held).one_or_none()
    if was is None:
        return False
    if any(each is not None and each.kind == "system" for each in (before, after)):
        was = _rebuild_ticket_state(tx, edit, was)
    row = _recompute_derived_columns(tx, was, after.at if after is not None else 0)
    type_, wire = _classify_message_change(tx, before, after)
    if type_ is not None:
        line = after if _is_public_message(after) else None
        record_ticket_event(tx, edit.origin(**_build_sender_fields(row), **wire), type_, row, line)
    return True


def _classify_message_change(
    tx: Connection,
    before: Any,  # noqa: ANN401 - rows of any table
    after: Any,  # noqa: ANN401 - rows of any table
) -> tuple[str | None, dict[str, Any]]:
    """The event that says what became of a message, and its fields; None: nobody saw it."""
    match _is_public_message(before), _is_public_message(after):
        case (False, False):
            return None, {}
        case (True, False):
            return "ticket.message_deleted", {"message": before.id}
        case (True, True):
            is_other = any(
                getattr(before, name) != getattr(after, name) for name in VISIBLE_COLUMNS
            )
            return ("ticket.message_edited" if is_other else None), {"message": after.id}
    if after.kind == "system":
        return "ticket.updated", {"changes": {}, "actorId": DIRECT_EDIT_ACTOR}
    return "ticket.message_sent", {
        "messageId": after.sender_id or after.id,
        "authorId": after.author.removeprefix("discord:"),
        "authorUsername": read_names(tx, [after.author])[after.author].name if after.author else "",
        "messageType": after.side or "bot",
        "hasAttachments": bool(json.loads(after.data).get("hasAttachments")),
        "messageLength": len(after.text or ""),
        "content": after.text,
    }


def _is_public_message(row: Any) -> bool:  # noqa: ANN401 - a row, or what is remembered of it
    """Whether everybody who sees the ticket sees the message."""
    return row is not None and row.kind != "note"


def _rebuild_ticket_state(tx: Connection, edit: DirectEdit, row: Row[Any]) -> Row[Any]:
    """The ticket as its facts tell it, now that one of them is another."""
    state = fold_facts(messages.read_facts(tx, row.id))
    touched = update_opener_participant(tx, row.id, row, state)
    changed = write_ticket_state(tx, row, state, row.active_at)
    if touched or (row.deleted_at is None) != (state.deleted_at is None):
        before = SimpleNamespace(**row._mapping)
        type_, wire = _classify_ticket_change(edit, before, changed)
        record_ticket_event(
            tx, edit.origin(**_build_sender_fields(changed), **wire), type_, changed, None, touched
        )
    return changed


def _recompute_derived_columns(tx: Connection, row: Row[Any], at: int) -> Row[Any]:
    """Work out anew what follows from the rest of a ticket; its row, at a higher revision."""
    table = messages.messages
    replies = select(func.count()).where(table.c.ticket == row.id, table.c.kind == "reply")
    changed = tx.execute(
        update(tickets)
        .where(tickets.c.id == row.id)
        .values(
            messages=replies.scalar_subquery(),
            active_at=max(row.active_at, at),
            revision=tickets.c.revision + 1,
        )
        .returning(tickets)
    ).one()
    search_index.index_ticket(tx, changed)
    search_index.reindex_replies(tx, changed.id)
    index_names(tx, changed.workspace, {changed.opener, changed.assignee})
    return changed


def _classify_ticket_change(
    edit: DirectEdit,
    before: Any,  # noqa: ANN401 - a row, or what is remembered of it
    after: Row[Any],
) -> tuple[str, dict[str, Any]]:
    """The event that tells most of what changed, and its fields."""
    if not _is_visible(before) and _is_visible(after):
        return "ticket.created", {
            "subject": after.subject or "",
            "openerId": _format_wire_id(after.opener),
            "openerUsername": _format_wire_id(after.opener),
        }
    if not _is_visible(after):
        return "ticket.deleted", {"deletedBy": DIRECT_EDIT_ACTOR}
    moved = {
        "oldStatus": to_wire_status(before.status, is_assigned=before.assignee is not None),
        "newStatus": to_wire_status(after.status, is_assigned=after.assignee is not None),
        "actorId": DIRECT_EDIT_ACTOR,
    }
    if after.status != before.status:
        return (
            "ticket.closed" if after.status in ENDED_STATUSES else "ticket.status_changed"
        ), moved
    if after.assignee is not None and after.assignee != before.assignee:
        return "ticket.claimed", moved
    return "ticket.updated", {
        "changes": _diff_ticket_fields(before, after),
        "actorId": DIRECT_EDIT_ACTOR,
    }


def _diff_ticket_fields(before: Any, after: Row[Any]) -> dict[str, Any]:  # noqa: ANN401
    found: dict[str, Any] = {}
    for name in ("subject", "priority"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            found[name] = {"old": old, "new": new}
    had, has = set(json.loads(before.tags)), set(json.loads(after.tags))
    if had != has:
        found["tags"] = {"added": sorted(has - had), "removed": sorted(had - has)}
    return found


def _record_ticket_removal(
    tx: Connection,
    edit: DirectEdit,
    row: Any,  # noqa: ANN401 - a row, or what is remembered of it
    access_changes: list[str],
) -> None:
    """Say that a ticket is not where `row` has it any more, to those who saw it there."""
    gone = (
        SimpleNamespace(**{**vars(row), "revision": row.revision + 1})
        if edit.after is None
        else row
    )
    origin = edit.origin(**_build_sender_fields(row), deletedBy=DIRECT_EDIT_ACTOR)
    record_ticket_event(
        tx,
        origin,
        "ticket.deleted",
        gone,
        None,
        access_changes,
        event_channels=read_ticket_channels(tx, row.workspace, row.id),
    )


def _is_visible(row: Any) -> bool:  # noqa: ANN401 - a row, or what is remembered of it
    return row is not None and row.deleted_at is None


def _build_sender_fields(row: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """The sender's own names for a ticket."""
    kind, _, id_ = row.workspace.partition(":")
    guild = id_ if kind == "guild" else None
    return {"guildId": guild, "ticketId": row.sender_id, "ticketNumber": row.number}


def _format_wire_id(principal: Principal | None) -> str:
    return (principal or DIRECT_EDIT_ACTOR).removeprefix("discord:")
